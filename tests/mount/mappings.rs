//! Files that are mapped into memory, private and shared.

use super::harness::*;

/// A private mapping fills the kernel's page cache; the next one shows what the file holds by then.
/// Proves semantics 3.8.
#[test]
fn a_new_private_mapping_shows_the_new_content() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let script = "
def mapped(length):
    f = os.open('f', os.O_RDONLY)
    m = mmap.mmap(f, length, mmap.MAP_PRIVATE, mmap.PROT_READ); os.close(f)
    content = m[:]; m.close()
    return content
for content in [b'old' * 3000, b'new' * 3000, b'shorter', b'longer again' * 2000]:
    put('f', content)
    assert mapped(len(content)) == content
    os.pwrite(f := os.open('f', os.O_WRONLY), b'!', 0); os.close(f)
    assert mapped(len(content)) == b'!' + content[1:]";
    mount.python(script);
}

/// A mapping that stays sees what is written to the file in this mount.
#[test]
fn writes_show_in_a_mapping() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", vec![b'-'; 10_000]);
    let script = "
f = os.open('f', os.O_RDWR)
for kind in [mmap.MAP_SHARED, mmap.MAP_PRIVATE]:
    m = mmap.mmap(f, 10_000, kind, mmap.PROT_READ)
    assert m[5000:5003] == b'---'
    os.pwrite(f, b'abc', 5000); assert m[5000:5003] == b'abc'
    os.pwrite(f, b'---', 5000); m.close()";
    mount.python(script);
}

/// What is written through a shared mapping is in the file: at once after a flush, stored at the
/// latest when the mapping ends, which may be long after the close.
/// Proves semantics 3.7.
#[test]
fn a_shared_mapping_is_written_back() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", vec![b'-'; 10_000]);
    let script = "
f = os.open('f', os.O_RDWR)
m = mmap.mmap(f, 10_000, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
m[0:3] = b'one'; m.flush(); assert get('f')[:5] == b'one--'
m[9_997:] = b'two'; os.close(f); assert get('f')[-4:] == b'-two'
m[5000:5005] = b'three'; m.close()
assert len(get('f')) == 10_000";
    mount.python(script);
    mount.settled();
    let expected = format!("one{}three{}two", "-".repeat(4_997), "-".repeat(4_992));
    assert_eq!(mount.again().read("d/a/f"), expected);
}

/// Pages that come back by a handle that appends go to their place all the same.
#[test]
fn a_shared_mapping_of_an_appending_handle_is_written_in_place() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", vec![b'-'; 5_000]);
    let script = "
f = os.open('f', os.O_RDWR | os.O_APPEND)
m = mmap.mmap(f, 5_000, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
m[0:3] = b'one'; m.flush(); os.write(f, b'end'); m.close(); os.close(f)";
    mount.python(script);
    let expected = format!("one{}end", "-".repeat(4_997));
    assert_eq!(mount.again().read("d/a/f"), expected);
}

/// Two processes share a mapping of one file.
#[test]
fn processes_share_a_mapping() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    mount.write("d/a/f", vec![b'-'; 5_000]);
    let script = "
f = os.open('f', os.O_RDWR)
m = mmap.mmap(f, 5_000, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE); os.close(f)
print(m[0:1].decode()); input(); m[1:2] = b'2'; m.close()";
    let mut other = Companion::python(script, mount.path("d/a"));
    assert_eq!(other.says(), "-");
    let script = "
f = os.open('f', os.O_RDWR)
m = mmap.mmap(f, 5_000, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE); os.close(f)
m[0:1] = b'1'";
    mount.python(script);
    other.go_on();
    other.end();
    let expected = format!("12{}", "-".repeat(4_998));
    assert_eq!(mount.again().read("d/a/f"), expected);
}

/// Another device's change of a file that is mapped: the mapping keeps what it shows, whole, also
/// when the other content is shorter (SIGBUS else), and a new one shows the other, whole.
/// Proves semantics 8.3.
#[test]
fn mappings_never_mix_two_contents() {
    let wallet = Wallet::new();
    let mount = wallet.mount_secret();
    let other = wallet.mount("other", &["--cache-ttl", "0.1"]);
    let script = "
def mapped():
    f = os.open('f', os.O_RDONLY)
    m = mmap.mmap(f, 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
    return f, m
f, old = mapped(); assert old[0:1] == b'o'
print('mapped'); input()
while os.stat('f').st_ino == os.fstat(f).st_ino: time.sleep(0.01)
g, new = mapped()
assert new[-1:] == b'n' and old[9_999:] == b'o' and new[0:1] == b'n' and old[5000:5001] == b'o'
assert old[:] == b'o' * 10_000 and new[:] == b'n' * len(new)
there = os.fstat(f); assert (there.st_size, there.st_nlink) == (10_000, 0)
assert os.lseek(f, 0, os.SEEK_END) == 10_000 and os.pread(f, 1 << 20, 0) == b'o' * 10_000
print(len(new))";
    for length in [20_000, 100] {
        mount.write("d/a/f", vec![b'o'; 10_000]);
        let there = other.path("d/a/f");
        wait_for("the other mount has it", || {
            std::fs::read(&there).is_ok_and(|content| content == [b'o'; 10_000])
        });
        let mut reader = Companion::python(script, other.path("d/a"));
        reader.says();
        mount.write("d/a/f", vec![b'n'; length]);
        reader.go_on();
        assert_eq!(reader.says(), length.to_string());
        reader.end();
    }
}
