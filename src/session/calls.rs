//! The runtime that runs what calls wait for: requests to the store, and all that goes on without
//! a caller. It is the session's to end, so that a call that hangs in a store keeps neither a key
//! nor a value after the lock: its future is dropped, and the kernel is told that it failed.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::spawn_blocking;

/// Bound for the threads that run calls to see that it is over. One that a database's lock holds up
/// is not waited for: it has sealed bytes only, and ends with the process.
const STOP: Duration = Duration::from_millis(20);

/// The runtime; what it runs ends with this.
pub struct Calls(Option<Runtime>);

impl Calls {
    /// With as many threads as the machine has processors.
    pub fn new() -> io::Result<Calls> {
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

    /// Does `work` where it was asked for, and what it starts here: above all the connections to the
    /// store, whose answers then reach the calls without passing from one thread to another.
    pub async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        let (handle, mut work) = (self.handle(), pin!(work));
        poll_fn(|context| {
            let _here = handle.enter();
            work.as_mut().poll(context)
        })
        .await
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
    async fn what_is_started_around_it_is_its_own() {
        let calls = Calls::new().unwrap();
        let held = Arc::new(());
        let name = || std::thread::current().name().map(ToOwned::to_owned);
        let (here, there) = calls
            .around(async {
                let task = {
                    let held = held.clone();
                    tokio::spawn(async move { (name(), held) })
                };
                tokio::time::sleep(Duration::from_millis(1)).await;
                let held = held.clone();
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(held);
                });
                (name(), task.await.unwrap().0)
            })
            .await;
        assert_eq!(here, name());
        assert_eq!(there.as_deref(), Some("calls"));
        assert_eq!(Arc::strong_count(&held), 2);
        calls.stop().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }

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
