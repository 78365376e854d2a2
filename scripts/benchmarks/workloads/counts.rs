//! What each thing that a person does asks of DynamoDB: requests, bytes, units, and so money.

use crate::Trouble;
use crate::bench::{Bench, ORDINARY};
use crate::mounts::Mounted;
use crate::outcome::Outcome;
use crate::price::{self, Cost};
use crate::support::http_count::HttpCount;
use crate::tree::{CONTENT, SECRET, Shape};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than the snapshot is used without asking the store.
const OLD: Duration = Duration::from_millis(1200);

/// A proxy that adds up what passes.
struct Till {
    proxy: HttpCount,
    sum: Arc<Mutex<Cost>>,
}

impl Till {
    fn before(bench: &Bench) -> Result<Till, Trouble> {
        let proxy = bench.engine()?.proxy();
        let sum = Arc::new(Mutex::new(Cost::default()));
        let shared = sum.clone();
        proxy.show(move |request, answer| {
            if let Ok(mut sum) = shared.lock() {
                sum.add(request, answer);
            }
        });
        Ok(Till { proxy, sum })
    }

    /// What has passed since the last call.
    fn take(&self) -> Result<Cost, Trouble> {
        let mut sum = self.sum.lock().map_err(|_| "the proxy panicked")?;
        Ok(std::mem::take(&mut *sum))
    }

    /// What an action asks for.
    fn of(
        &self,
        action: &'static str,
        act: impl FnOnce() -> Result<(), Trouble>,
    ) -> Result<(&'static str, Cost), Trouble> {
        self.take()?;
        act().map_err(|e| format!("{action}: {e}"))?;
        Ok((action, self.take()?))
    }
}

pub(super) fn counts(bench: &Bench) -> Result<Vec<Outcome>, Trouble> {
    let till = Till::before(bench)?;
    let engine = bench.engine()?;
    let device = bench.ordinary()?.in_table(engine)?;
    device.through(till.proxy.url())?;
    // The same wallet on another device, which does not pass the proxy.
    let other = device.copy()?;
    other.through(engine.url())?;
    let other = other.mount(&[])?;

    let mut mounted: Option<Mounted> = None;
    let mut costs = vec![till.of("mount", || {
        mounted = Some(device.mount(&[])?);
        Ok(())
    })?];
    let mounted = mounted.ok_or("no mount")?;
    let path = |path: &str| mounted.path().join(path);
    let elsewhere = |path: &str| other.path().join(path);
    let settled = |done: std::io::Result<()>| -> Result<(), Trouble> {
        done?;
        mounted.settle()
    };
    let look = || -> Result<(), Trouble> { Ok(fs::read(path(SECRET)).map(drop)?) };
    // The cache is fresh after this.
    let fresh = || {
        std::thread::sleep(OLD);
        look()
    };
    let list = || {
        let names = fs::read_dir(path("site1.example"))?.count();
        (names > 0).then_some(()).ok_or_else(|| "no names".into())
    };
    look()?;
    costs.push(till.of("read, within a second of another access", look)?);
    std::thread::sleep(OLD);
    costs.push(till.of("read, later", look)?);
    std::thread::sleep(OLD);
    costs.push(till.of("listing of a domain, later", list)?);
    fresh()?;
    let write = || settled(fs::write(path(SECRET), "another content"));
    costs.push(till.of("write and close", write)?);
    fresh()?;
    let create = || settled(fs::write(path("energy/smart energy/pin"), CONTENT));
    costs.push(till.of("new file in a secret", create)?);
    fresh()?;
    let secret = || settled(fs::create_dir(path("energy/gas")));
    costs.push(till.of("new secret", secret)?);
    fresh()?;
    let rename = || settled(fs::rename(path("energy/gas"), path("energy/wind")));
    costs.push(till.of("rename of a secret", rename)?);
    fresh()?;
    let remove = || settled(fs::remove_file(path("energy/smart energy/pin")));
    costs.push(till.of("removal of a file", remove)?);
    fresh()?;
    let foreign = || {
        fs::write(elsewhere("site0.example/account 1/pwd"), "new")?;
        other.settle()?;
        std::thread::sleep(OLD);
        look()
    };
    costs.push(till.of("read after a change by another device", foreign)?);
    drop(mounted);
    drop(other);

    let device = bench.wallet(Shape::Hundreds, 0)?.device.in_table(engine)?;
    device.through(till.proxy.url())?;
    let import = || device.import(Shape::Hundreds, ORDINARY).map(drop);
    costs.push(till.of("import of 1,000 secrets", import)?);
    let large = bench.count(10_000).min(10_000);
    let device = bench
        .wallet(Shape::Hundreds, large)?
        .device
        .in_table(engine)?;
    device.through(till.proxy.url())?;
    costs.push(till.of("mount, 10,000 secrets", || device.mount(&[]).map(drop))?);
    Ok(vec![price::outcome(costs)?])
}
