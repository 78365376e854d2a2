//! [`Pages`]: tells the kernel to drop cached pages.
//!
//! Reads bypass the page cache, except those of private mappings. A notification goes out from a
//! thread that answers no call, since the kernel may hold what it waits for.

use crate::fs::Ino;
use fuser::{INodeNo, Notifier};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// The way to the thread that sends notifications.
#[derive(Clone)]
pub(super) struct Pages {
    to: Sender<Ino>,
    waiting: Arc<Mutex<Option<Receiver<Ino>>>>,
}

impl Pages {
    pub(super) fn new() -> Self {
        let (to, from) = channel();
        Pages {
            to,
            waiting: Arc::new(Mutex::new(Some(from))),
        }
    }

    /// Starts the thread; it ends with the last [`Pages`].
    pub(super) fn start(&self, notifier: Notifier) -> io::Result<()> {
        let from = self
            .waiting
            .lock()
            .expect("no holder of this lock panics")
            .take();
        let Some(from) = from else { return Ok(()) };
        std::thread::Builder::new()
            .name("pages".into())
            .spawn(move || {
                for Ino(ino) in from {
                    // An inode that the kernel has forgotten has no pages either.
                    if let Err(e) = notifier.inval_inode(INodeNo(ino), 0, 0) {
                        tracing::debug!("the kernel did not drop pages: {e}");
                    }
                }
            })?;
        Ok(())
    }

    /// Has the kernel drop every page of `ino`, some time after this returns.
    pub(super) fn drop_pages(&self, ino: Ino) {
        // The receiver lives as long as the mount does.
        let _ = self.to.send(ino);
    }
}
