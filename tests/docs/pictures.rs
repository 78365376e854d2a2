//! The pictures of the README: the session is drawn from the example above it, and what is shown is
//! small.

use crate::pages::{Page, root};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn the_session_is_the_example() {
    let readme = Page::readme();
    let example = readme.blocks("console").remove(0).join("\n") + "\n";
    let mut draws = Command::new(root().join("scripts/session-svg.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python is there");
    let mut input = draws.stdin.take().expect("it is piped");
    input.write_all(example.as_bytes()).expect("it reads");
    drop(input);
    let drawn = draws.wait_with_output().expect("it ends");
    assert!(drawn.status.success());
    let kept = fs::read(root().join("man/images/session.svg")).expect("it is there");
    assert!(
        drawn.stdout == kept,
        "the README's example has changed: run `scripts/picture`"
    );
    let text = String::from_utf8(kept).expect("SVG is text");
    let typed = example.lines().filter(|line| line.starts_with("$ "));
    assert_eq!(text.matches("class=\"typed\"").count(), typed.count());
}

#[test]
fn pictures_are_small() {
    let mut pictures = 0;
    for entry in fs::read_dir(root().join("man/images")).expect("there are pictures") {
        let entry = entry.expect("it can be listed");
        let size = entry.metadata().expect("it is there").len();
        let name = entry.path().display().to_string();
        assert!((1000..64 << 10).contains(&size), "{name}: {size} bytes");
        if name.ends_with(".png") {
            let bytes = fs::read(entry.path()).expect("it can be read");
            assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "{name}");
        }
        pictures += 1;
    }
    assert_eq!(pictures, 2);
}
