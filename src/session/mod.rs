//! From unlock to lock: the life of a mount.
//!
//! A session is one process. It holds the unlocked wallet, serves the mount, listens on a control
//! socket, and ends by locking: for want of an access, at the end of its lifetime, on request, on a
//! signal, or when somebody unmounts it. [`gate::Gate`] decides whether a request passes,
//! [`live::run`] is the loop, `lock.rs` the order in which everything is given up. Nothing here
//! knows a wire format or the meaning of a file.

pub mod audit;
pub mod calls;
pub mod control;
pub mod daemon;
pub mod events;
pub mod gate;
pub mod harden;
pub mod live;
mod lock;
pub mod log;
mod logind;
pub mod mountinfo;
pub mod mountpoint;
pub mod notify;
pub mod private;
pub mod registry;
mod report;
pub mod status;
pub mod sys;
mod syslog;
mod wait;
