//! The wallet over stores that count, fail, lie and change behind its back. No test sleeps: time is
//! tokio's, paused.

mod requests;
mod support;
