//! What several test programs share. Each of them uses a part of it.
#![allow(dead_code)]

pub(crate) mod dynamodb;
pub(crate) mod http_count;
pub(crate) mod items;
pub(crate) mod matrix;
pub(crate) mod server;
