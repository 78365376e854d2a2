//! Fifty writers, half of them on each of two devices, write into the same secrets for a while: each
//! write that a close acknowledged is there, once.

use crate::mounts::*;
use crate::pair::Pair;
use std::collections::BTreeMap;
use std::time::Instant;

/// Writers on each device.
const WRITERS: usize = 25;
const SECRETS: usize = 5;

/// Writes of each writer in the ordinary run, and how many times as many at most where more cases are
/// asked for (`scripts/test --long`): that is a minute or two.
const WRITES: usize = 10;
const MOST: usize = 8;

/// Each writer is a thread of one program. It writes its own file, and every other time a new one;
/// a line says each write that was acknowledged.
const SCRIPT: &str = "
import threading
device, writers, writes, secrets = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
lines = []
longest = [0.0]
def write(writer):
    for n in range(writes):
        new = f'-{n}' if n % 2 else ''
        key = f'{device}{writer}{new}'
        path = f'd/{writer % secrets}/{key}'
        begin = time.time()
        try:
            with open(path, 'wb', 0) as f: f.write(f'{key} {n}'.encode())
            lines.append(f'{path} {n}')
        except OSError as e:
            lines.append(f'refused {errno.errorcode[e.errno]}')
        longest[0] = max(longest[0], time.time() - begin)
threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print('\\n'.join(lines))
print(f'longest {longest[0]:.1f}')";

fn writes() -> usize {
    let cases = std::env::var("WALLETFS_TEST_CASES").ok();
    let times: usize = cases.map_or(1, |cases| cases.parse().expect("a number"));
    WRITES * times.min(MOST)
}

/// Proves semantics 8.16.
#[test]
fn no_acknowledged_write_of_fifty_writers_is_lost() {
    let secrets: Vec<String> = (0..SECRETS).map(|n| format!("d/{n}/")).collect();
    let files: Vec<(&str, &[u8])> = secrets.iter().map(|path| (&**path, &b""[..])).collect();
    for pair in Pair::each(&files) {
        let (one, two) = pair.mount(&[], &[]);
        let began = Instant::now();
        let said = std::thread::scope(|scope| {
            let programs = [("one-", &one), ("two-", &two)].map(|(device, mount)| {
                let mut program = python(SCRIPT);
                let numbers = [WRITERS, writes(), SECRETS].map(|n| n.to_string());
                program.arg(device).args(numbers).current_dir(mount.dir());
                scope.spawn(move || run(&mut program).success())
            });
            programs.map(|program| program.join().unwrap()).concat()
        });
        let took = began.elapsed();
        one.settled();
        two.settled();

        let mut acknowledged = BTreeMap::new();
        let (mut writes, mut refused, mut longest) = (0, 0, 0.0_f64);
        for line in said.lines() {
            let (what, number) = line.split_once(' ').unwrap();
            match what {
                "refused" => refused += 1,
                "longest" => longest = longest.max(number.parse().unwrap()),
                path => {
                    writes += 1;
                    acknowledged.insert(path.to_owned(), number.to_owned());
                }
            }
        }
        let found = pair.find();
        let mut lost = 0;
        for (path, number) in &acknowledged {
            let [_, secret, key] = path.split('/').collect::<Vec<_>>()[..] else {
                panic!("{path}");
            };
            let value = &found.contents["d"][secret]["info"][key];
            lost += usize::from(*value != format!("{key} {number}"));
        }
        let commits = found.generation - pair.begin();
        println!(
            "{}: {} writers, {writes} writes acknowledged in {:.0} s, {refused} refused, {lost} lost, \
             {commits} commits, longest {longest:.1} s",
            pair.store,
            2 * WRITERS,
            took.as_secs_f64(),
        );
        assert_eq!((lost, refused), (0, 0));
        assert_eq!(writes, 2 * WRITERS * self::writes());
        assert_eq!(commits, writes as u64, "each once");
    }
}
