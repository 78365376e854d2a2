//! The runtime that runs what calls wait for: requests to the store, and all that goes on without
//! a caller. It is the session's to end, so that a call that hangs in a store keeps neither a key
//! nor a value after the lock: its future is dropped, and the kernel is told that it failed.

use std::io;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::spawn_blocking;

/// Bound for the threads that run calls to see that it is over. One that a database's lock holds up
/// is not waited for: it has sealed bytes only, and ends with the process.
const STOP: Duration = Duration::from_millis(20);

/// The runtime; what it runs ends with this.
pub(super) struct Calls(Option<Runtime>);

impl Calls {
    pub(super) fn new() -> io::Result<Calls> {
        let runtime = Builder::new_multi_thread()
            .thread_name("calls")
            .enable_all()
            .build()?;
        Ok(Calls(Some(runtime)))
    }

    /// Where calls go.
    pub(super) fn handle(&self) -> Handle {
        let runtime = self.0.as_ref().expect("it is taken when this is dropped");
        runtime.handle().clone()
    }

    /// Drops whatever waits, and waits a moment until that is done.
    pub(super) async fn stop(mut self) {
        if let Some(runtime) = self.0.take() {
            // An error would be a panic of tokio's.
            let _ = spawn_blocking(move || runtime.shutdown_timeout(STOP)).await;
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn what_waits_is_dropped_with_what_it_holds() {
        let calls = Calls::new().unwrap();
        let held = Arc::new(());
        for _ in 0..100 {
            let held = held.clone();
            calls.handle().spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        // One that cannot be dropped does not hold it up.
        let (end, wait) = std::sync::mpsc::channel::<()>();
        calls.handle().spawn_blocking(move || wait.recv());
        assert_eq!(Arc::strong_count(&held), 101);
        calls.stop().await;
        assert_eq!(Arc::strong_count(&held), 1);
        drop(end);
    }
}
