//! Programs that copy files and trees into a wallet, out of it, and within it.

use super::table::Stage;

/// A domain `e` with a secret `s` of fifty files.
fn fifty() -> Vec<(String, String)> {
    (10..60)
        .map(|i| (format!("e/s/f{i}"), format!("{i}\n")))
        .collect()
}

/// Twenty secrets of four fields.
fn twenty() -> Vec<(String, String)> {
    let fields = ["uid", "pwd", "one", "two"];
    (10..30)
        .flat_map(|i| fields.map(|field| (format!("g/s{i}/{field}"), format!("{field} {i}\n"))))
        .collect()
}

fn shown(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_str()))
        .collect()
}

/// Directories of files become secrets: a commit for each, and for each file.
#[test]
fn cp_of_trees() {
    let stage = Stage::with(&[("d/a/x", "x")]);
    let mount = stage.mount();
    let from = stage.tree("from", &twenty());
    let (dir, from) = (mount.dir().display(), from.display());
    stage.sh("cp-r", &mount, &format!("cp -r {from}/g {dir}"));
    let twenty = twenty();
    let mut left = shown(&twenty);
    left.push(("d/a/x", "x"));
    stage.leaves(mount, &left, &[]);
}

/// With modes and times, and out again, all the same.
#[test]
fn cp_a_of_trees() {
    let stage = Stage::with(&[("d/a/x", "x")]);
    let mount = stage.mount();
    let from = stage.tree("from", &twenty());
    let (dir, from) = (mount.dir().display(), from.display());
    stage.sh("cp-a", &mount, &format!("cp -a {from}/g {dir}"));
    let out = format!(
        "cp -a {dir}/g {from}2; diff -r {from}/g {from}2
        for there in {from}/g {from}2; do (cd $there; find . -type f -printf '%P %s %T@\\n' | sort | sha256sum); done |
            uniq | wc -l"
    );
    assert_eq!(stage.sh("cp-a-out", &mount, &out), "1\n");
    let twenty = twenty();
    let mut left = shown(&twenty);
    left.push(("d/a/x", "x"));
    stage.leaves(mount, &left, &[]);
}

#[test]
fn single_files() {
    let stage = Stage::with(&[("d/a/f", "old\n"), ("d/b/x", "x")]);
    let mount = stage.mount();
    let from = stage.tree("from", &[("f".into(), "new\n".into())]);
    let from = from.display();
    stage.sh("cp", &mount, &format!("cp {from}/f f"));
    stage.sh(
        "cp-p",
        &mount,
        &format!("cp -p {from}/f p; test $(stat -c %Y p) = 1000000000"),
    );
    let install = format!("install -m 700 {from}/f i; test $(stat -c %a i) = 700");
    stage.sh("install", &mount, &install);
    stage.sh(
        "mv-in",
        &mount,
        &format!("mv {from}/f m; test $(stat -c %Y m) = 1000000000"),
    );
    stage.sh(
        "mv-out",
        &mount,
        &format!("mv m {from}/m; test $(cat {from}/m) = new"),
    );
    stage.sh("mv", &mount, "mv p ../b/y");
    stage.sh("cp-within", &mount, "cp f ../b/z");
    stage.sh("rm", &mount, "rm f");
    let left = [
        ("d/a/i", "new\n"),
        ("d/b/x", "x"),
        ("d/b/y", "new\n"),
        ("d/b/z", "new\n"),
    ];
    stage.leaves(mount, &left, &[]);
}

/// A tree is copied and then removed, since `rename` does not reach another filesystem.
#[test]
fn mv_of_trees() {
    let stage = Stage::with(&[("d/a/x", "x")]);
    let mount = stage.mount();
    let from = stage.tree("from", &twenty());
    let (dir, from) = (mount.dir().display(), from.display());
    stage.sh(
        "mv-tree-in",
        &mount,
        &format!("mv {from}/g {dir}; ! test -e {from}/g"),
    );
    stage.sh("mv-domain", &mount, &format!("mv {dir}/g {dir}/h"));
    stage.sh(
        "mv-tree-out",
        &mount,
        &format!("mv {dir}/h {from}/h; test $(find {from}/h -type f | wc -l) = 80"),
    );
    stage.leaves(mount, &[("d/a/x", "x")], &[]);
}

#[test]
fn rsync() {
    let stage = Stage::with(&[("d/a/x", "x")]);
    let mount = stage.mount();
    let tree = stage.tree("from", &fifty());
    let (dir, from) = (mount.dir().display(), tree.display());
    let changes = format!("rsync -a --itemize-changes {from}/e {dir} | (grep -c '^[<>*]' || true)");
    stage.sh("rsync", &mount, &format!("rsync -a {from}/e {dir}"));
    assert_eq!(stage.sh("rsync-again", &mount, &changes), "0\n");
    std::fs::write(tree.join("e/s/f10"), "changed\n").unwrap();
    assert_eq!(stage.sh("rsync-changed", &mount, &changes), "1\n");
    std::fs::write(tree.join("e/s/f11"), "changed too\n").unwrap();
    stage.sh(
        "rsync-inplace",
        &mount,
        &format!("rsync -a --inplace {from}/e {dir}"),
    );
    std::fs::remove_file(tree.join("e/s/f12")).unwrap();
    stage.sh(
        "rsync-delete",
        &mount,
        &format!("rsync -a --delete {from}/e {dir}"),
    );
    let out = format!("rsync -a {dir}/e {from}2; diff -r {from} {from}2");
    stage.sh("rsync-out", &mount, &out);
    let mut files = fifty();
    files.remove(2);
    (files[0].1, files[1].1) = ("changed\n".into(), "changed too\n".into());
    let mut left = shown(&files);
    left.push(("d/a/x", "x"));
    stage.leaves(mount, &left, &[]);
}

#[test]
fn archives() {
    let stage = Stage::with(&[("d/a/x", "x")]);
    let mount = stage.mount();
    let from = stage.tree("from", &fifty());
    let (dir, from) = (mount.dir().display(), from.display());
    mount.sh(&format!(
        "tar -C {from} -cf {from}.tar e; cd {from}; zip -qr {from}.zip e"
    ));
    let same = format!("diff -r {from}/e {dir}/e; test $(stat -c %Y {dir}/e/s/f11) = 1000000001");
    stage.sh(
        "tar-x",
        &mount,
        &format!("tar -C {dir} -xf {from}.tar; {same}"),
    );
    let list = format!("tar -C {dir} -c e | tar -t | wc -l");
    assert_eq!(stage.sh("tar-c", &mount, &list), "52\n");
    stage.sh(
        "tar-x-again",
        &mount,
        &format!("tar -C {dir} -xf {from}.tar; {same}"),
    );
    stage.sh("rm-r", &mount, &format!("rm -r {dir}/e"));
    stage.sh(
        "unzip",
        &mount,
        &format!("unzip -q {from}.zip -d {dir}; {same}"),
    );
    let mut left = vec![("d/a/x", "x")];
    let fifty = fifty();
    left.extend(shown(&fifty));
    stage.leaves(mount, &left, &[]);
}
