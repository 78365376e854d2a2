//! How far a long command has come: a bar on standard error where that is a terminal, nothing in a
//! pipe. It counts and names no secret.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Times a second that the bar is drawn at most.
const DRAWS: u8 = 10;
/// How often the bar's clock moves while nothing else does.
const TICK: Duration = Duration::from_millis(250);

/// A bar that goes away with this.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins at none of `total` steps. `doing` is what is done, such as `importing`.
    pub(super) fn new(doing: &'static str, total: usize) -> Progress {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWS);
        Progress::on(target, doing, total)
    }

    fn on(target: ProgressDrawTarget, doing: &'static str, total: usize) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let style = ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len} {elapsed}")
            .expect("the template is a constant that parses")
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_message(doing);
        // A hidden bar needs no thread that moves its clock.
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Progress(bar)
    }

    /// So many steps are done in all.
    pub(super) fn at(&self, done: usize) {
        self.0.set_position(done as u64);
    }

    /// There are other numbers of steps than was thought.
    pub(super) fn total(&self, total: usize) {
        self.0.set_length(total as u64);
    }
}

/// Whom a load tells: a bar, if there is more than comes at once.
pub(super) fn loading() -> impl Fn(u64, u64) + Send + Sync {
    bar_while_more("loading", Progress::new)
}

fn bar_while_more(
    doing: &'static str,
    make: impl Fn(&'static str, usize) -> Progress + Send + Sync,
) -> impl Fn(u64, u64) + Send + Sync {
    let bar = Mutex::new(None::<Progress>);
    move |done, all| {
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |n| usize::try_from(n).unwrap_or(usize::MAX);
        match done < all {
            true => bar
                .get_or_insert_with(|| make(doing, count(all)))
                .at(count(done)),
            false => *bar = None,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;

    #[test]
    fn a_terminal_shows_what_is_done_and_is_clean_afterwards() {
        let terminal = InMemoryTerm::new(4, 60);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let progress = Progress::on(target, "importing", 28);
        // Drawn at once after a suspension, otherwise a few times a second.
        progress.at(7);
        progress.0.suspend(|| ());
        let shown = terminal.contents();
        assert!(shown.starts_with("importing ["), "{shown}");
        assert!(shown.contains("] 7/28 "), "{shown}");
        progress.total(30);
        progress.0.suspend(|| ());
        assert!(terminal.contents().contains("] 7/30 "));
        drop(progress);
        assert_eq!(terminal.contents(), "");
    }

    #[test]
    fn a_load_of_one_page_shows_nothing_and_a_longer_one_how_far_it_is() {
        let terminal = InMemoryTerm::new(4, 60);
        let made = std::sync::atomic::AtomicUsize::new(0);
        let loading = bar_while_more("loading", |doing, all| {
            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
            Progress::on(target, doing, all)
        });
        loading(28, 28);
        assert_eq!(terminal.contents(), "");
        loading(1_500, 4_000);
        let shown = terminal.contents();
        assert!(shown.starts_with("loading ["), "{shown}");
        assert!(shown.contains("/4000 "), "{shown}");
        loading(3_000, 4_000);
        loading(4_000, 4_000);
        assert_eq!(terminal.contents(), "");
        assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    #[test]
    fn a_pipe_shows_nothing() {
        let progress = Progress::on(ProgressDrawTarget::hidden(), "importing", 28);
        assert!(progress.0.is_hidden());
    }
}
