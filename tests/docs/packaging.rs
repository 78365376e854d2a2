//! What packages are made of: each file says the same version, can be read by its own tool, and names
//! files that are there.

use crate::pages::root;
use std::fs;
use std::process::Command;

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Runs it in the repository.
fn succeeds(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_recipe_is_in_its_language_and_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    succeeds("bash", &["-n", "scripts/packaging/PKGBUILD"]);
    let recipe = text("scripts/packaging/PKGBUILD");
    assert!(recipe.contains(&format!("\npkgver={version}\n")));
    let source =
        ". scripts/packaging/PKGBUILD; type build check package > /dev/null; echo $pkgname";
    assert_eq!(succeeds("bash", &["-euc", source]), "walletfs\n");

    let formula = text("scripts/packaging/walletfs.rb");
    assert!(formula.contains(&format!("  version \"{version}\"\n")));
    // Ruby's own syntax check, in `scripts/test`, which installs it.
    assert!(formula.starts_with('#') && formula.trim_end().ends_with("\nend"));

    let rehearsal = succeeds("scripts/release", &["--quick"]);
    assert!(
        rehearsal.contains(&format!("walletfs {version}, of ")),
        "{rehearsal}"
    );
}

#[test]
fn what_is_packaged_builds_by_itself() {
    let listed = succeeds(
        "cargo",
        &[
            "package",
            "--list",
            "--allow-dirty",
            "--locked",
            "--offline",
        ],
    );
    let files: Vec<_> = listed.lines().collect();
    for needed in [
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "src/main.rs",
        "man/walletfs.1.md",
    ] {
        assert!(files.contains(&needed), "{needed} is missing");
    }
    for file in &files {
        let own = [
            "src/",
            "man/",
            "tests/vectors/keepass/",
            "scripts/walletfs@.service",
        ];
        let known = own.iter().any(|start| file.starts_with(start)) || !file.contains('/');
        assert!(known, "{file} is not of the package");
        assert!(
            !file.starts_with("man/images"),
            "{file} is too large for it"
        );
    }
    // What the sources include is in it; nothing of them reads another place of the repository.
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let source = text(file);
        assert!(
            !source.contains("CARGO_MANIFEST_DIR"),
            "{file} reads the repository"
        );
        for included in source.split("include_bytes!(\"").skip(1) {
            let path = included.split('"').next().expect("it is closed");
            let own = path.trim_start_matches("../");
            assert!(files.contains(&own), "{file} includes {path}");
        }
    }
}

/// The Debian package's files come from the repository, or are put together by the scripts.
#[test]
fn every_file_of_the_debian_package_has_a_maker() {
    let manifest = text("Cargo.toml");
    let assets = manifest
        .split("\nassets = [\n")
        .nth(1)
        .expect("it has assets");
    let assets: Vec<Vec<&str>> = assets
        .lines()
        .take_while(|line| *line != "]")
        .map(|line| line.split('"').skip(1).step_by(2).collect())
        .collect();
    assert!(assets.len() >= 8, "{assets:?}");
    let stage = text("scripts/packaging/stage");
    for asset in assets {
        let [from, to, mode] = asset[..] else {
            panic!("{asset:?} has not three parts");
        };
        assert!(
            ["644", "755", "777"].contains(&mode) && to.starts_with("usr/"),
            "{to}"
        );
        match from.strip_prefix("target/packaging/") {
            Some(staged) => assert!(stage.contains(&format!("$stage/{staged}")), "{from}"),
            None if from.starts_with("target/man/") => assert!(stage.contains("scripts/man")),
            None if from == "target/release/walletfs" => {}
            None => assert!(root().join(from).is_file(), "{from} is not there"),
        }
    }
}

/// `scripts/test` has shellcheck look at each script of the shell's, and a release has what each
/// script of packaging builds.
#[test]
fn every_script_is_checked() {
    let checks = text("scripts/test").replace("\\\n", " ");
    let line = checks.lines().find(|line| line.starts_with("shellcheck "));
    let expanded = format!("printf '%s\\n' {}", line.expect("it runs shellcheck"));
    let checked = succeeds("bash", &["-euc", &expanded]);
    let mut scripts = 0;
    for dir in ["scripts", "scripts/packaging", ".ci"] {
        for entry in fs::read_dir(root().join(dir)).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            let name = format!("{dir}/{}", path.file_name().expect("it has one").display());
            let shell = path.is_file() && text(&name).starts_with("#!/usr/bin/env bash\n");
            assert!(
                !shell || checked.lines().any(|line| line == name),
                "scripts/test does not look at {name}"
            );
            scripts += usize::from(shell);
        }
    }
    assert!(scripts > 10, "{scripts}");
    let release = text("scripts/release");
    for maker in ["deb", "static"] {
        assert!(release.contains(&format!("scripts/packaging/{maker}")));
    }
}
