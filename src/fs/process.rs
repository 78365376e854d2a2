//! Which process a call came from. FUSE names a thread; a close commits by the thread group.

/// A process (thread group) of this machine. Its number may be given to another one after its end;
/// then a close is taken for one that comes while the opener runs, and the content waits for the
/// release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

/// Finds processes. The adapter asks `/proc`; tests have a list.
pub trait Processes: Send + Sync {
    /// The process that the thread `tid` belongs to, or `None` when it cannot be seen (ended, or
    /// of another pid namespace).
    fn of_thread(&self, tid: u32) -> Option<Process>;

    /// Whether `process` still runs.
    fn runs(&self, process: Process) -> bool;
}
