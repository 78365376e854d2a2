//! Which process a call came from. FUSE names a thread; a close commits by the thread group.

/// A process (thread group) of this machine, told apart from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The thread group's id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (proc_pid_stat(5), field 22).
    pub started: u64,
}

/// Finds processes. The adapter asks `/proc`; tests have a list.
pub trait Processes: Send + Sync {
    /// The process that the thread `tid` belongs to, or `None` when it cannot be seen (ended, or
    /// of another pid namespace).
    fn of_thread(&self, tid: u32) -> Option<Process>;

    /// Whether `process` still runs.
    fn runs(&self, process: Process) -> bool;
}
