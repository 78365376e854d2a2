//! The program on a terminal: `script` (util-linux) gives it one, and the test reads and types.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(crate) struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// Where the part of `seen` begins that was not waited for yet.
    new: usize,
}

impl Terminal {
    /// Runs `walletfs` with these arguments and the environment of `like`.
    pub(crate) fn run(like: &assert_cmd::Command, args: &[&str]) -> Terminal {
        let mut line = like.get_program().to_str().unwrap().to_owned();
        for arg in args {
            line += &format!(" '{arg}'");
        }
        Terminal::script(like, &line)
    }

    /// Runs this line for the shell with the environment and the directory of `like`.
    pub(crate) fn script(like: &assert_cmd::Command, line: &str) -> Terminal {
        let mut command = Command::new("script");
        command
            .args([
                "--quiet",
                "--return",
                "--flush",
                "--command",
                line,
                "/dev/null",
            ])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap());
        }
        if let Some(dir) = like.get_current_dir() {
            command.current_dir(dir);
        }
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            keyboard: child.stdin.take().unwrap(),
            child,
            screen,
            seen: String::new(),
            new: 0,
        }
    }

    /// Waits until this stands on the screen, after what was waited for before.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> &mut Terminal {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(at) = self.seen[self.new..].find(text) {
                self.new += at + text.len();
                return self;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(more) => self.seen += &String::from_utf8_lossy(&more),
                Err(_) => panic!("{text:?} did not come; on the screen: {}", self.seen),
            }
        }
    }

    /// Types a line.
    pub(crate) fn line(&mut self, text: &str) -> &mut Terminal {
        self.keys(&format!("{text}\n"))
    }

    /// Types these keys.
    pub(crate) fn keys(&mut self, keys: &str) -> &mut Terminal {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
        self
    }

    /// Waits for the end: exit code (128 and the signal for a death by one) and all that was on the
    /// screen.
    pub(crate) fn end(mut self) -> (i32, String) {
        let end = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                self.seen.extend(
                    self.screen
                        .try_iter()
                        .map(|more| String::from_utf8_lossy(&more).into_owned()),
                );
                panic!("it does not end; on the screen: {}", self.seen);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        while let Ok(more) = self.screen.recv_timeout(Duration::from_secs(5)) {
            self.seen += &String::from_utf8_lossy(&more);
        }
        (status.code().unwrap(), self.seen)
    }
}
