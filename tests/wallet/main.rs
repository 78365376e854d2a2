//! The wallet over stores that count, fail, lie and change behind its back. No test sleeps: time is
//! tokio's, paused.

mod away;
mod catch_up;
mod check;
mod edits;
mod history;
mod integrity;
mod life;
mod loading;
mod model;
mod race;
mod rekey;
mod replica;
mod requests;
mod support;
mod trash;
mod ways;
