//! The machine's log: a datagram a line to `/dev/log`, where syslog or the journal listens, in the
//! form of RFC 3164 without its date, which the listener adds. Where nobody listens, nothing is
//! lost: the wallet's own file has every line.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Where syslog listens.
pub(super) const SOCKET: &str = "/dev/log";

/// "User-level messages", times eight.
const FACILITY: u8 = 1 << 3;

/// Sends lines there.
pub(super) struct Syslog {
    socket: io::Result<UnixDatagram>,
    to: PathBuf,
}

impl Syslog {
    pub(super) fn new(to: impl Into<PathBuf>) -> Syslog {
        let socket = UnixDatagram::unbound().and_then(|socket| {
            // A listener that does not read holds nobody up.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        Syslog {
            socket,
            to: to.into(),
        }
    }
}

/// One line.
pub(super) struct Line<'a> {
    log: &'a Syslog,
    priority: u8,
}

impl<'a> MakeWriter<'a> for Syslog {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            log: self,
            priority: FACILITY | 6,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        let severity = match *meta.level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        Line {
            log: self,
            priority: FACILITY | severity,
        }
    }
}

impl io::Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if let Ok(socket) = &self.log.socket {
            let head = format!("<{}>walletfs[{}]: ", self.priority, std::process::id());
            let mut line = head.into_bytes();
            line.extend(text.trim_ascii_end());
            let _ = socket.send_to(&line, &self.log.to);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_line_is_a_datagram_with_its_priority() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let layer = fmt::layer()
            .with_writer(Syslog::new(&path))
            .without_time()
            .with_ansi(false)
            .with_level(false)
            .with_target(false);
        let pid = std::process::id();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::error!("it failed: {}", 7);
            tracing::info!("locked");
        });
        let mut heard = [0; 100];
        for expected in [
            format!("<11>walletfs[{pid}]: it failed: 7"),
            format!("<14>walletfs[{pid}]: locked"),
        ] {
            let length = listener.recv(&mut heard).unwrap();
            assert_eq!(std::str::from_utf8(&heard[..length]).unwrap(), expected);
        }
        // Nobody listens any more.
        drop(listener);
        let log = Syslog::new(&path);
        io::Write::write_all(&mut log.make_writer(), b"x").unwrap();
    }
}
