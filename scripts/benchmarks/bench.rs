//! What workloads share in one run: how many rounds, wallets that take long to make, the engine, the
//! peers.

use crate::Trouble;
use crate::device::Device;
use crate::engine::Engine;
use crate::mounts::{Mounted, Peer, Sealed};
use crate::tree::Shape;
use crate::usage::Ended;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A wallet of so many secrets that other devices are copies of.
pub(crate) struct Made {
    pub(crate) device: Device,
    /// What its import took; none of an empty one.
    pub(crate) import: Option<Ended>,
}

/// A peer's mount, filled.
pub(crate) struct PeerMount {
    pub(crate) peer: Peer,
    pub(crate) mounted: Mounted,
    pub(crate) sealed: Sealed,
}

impl PeerMount {
    /// CryFS holds its directory while it is mounted; the others do not mind a second mount.
    pub(crate) fn mounts_twice(&self) -> bool {
        self.peer != Peer::Cryfs
    }
}

pub(crate) struct Bench {
    pub(crate) quick: bool,
    made: RefCell<BTreeMap<(Shape, usize), Rc<Made>>>,
    tables: RefCell<BTreeMap<(Shape, usize), Rc<Device>>>,
    peers: OnceCell<Vec<PeerMount>>,
    engine: OnceCell<Engine>,
}

/// Secrets of an ordinary wallet.
pub(crate) const ORDINARY: usize = 1000;

impl Bench {
    pub(crate) fn new(quick: bool) -> Bench {
        Bench {
            quick,
            made: RefCell::default(),
            tables: RefCell::default(),
            peers: OnceCell::new(),
            engine: OnceCell::new(),
        }
    }

    /// Rounds of a workload: this many, or fewer for a quick run.
    pub(crate) fn rounds(&self, full: usize) -> usize {
        match self.quick {
            true => (full / 4).max(2),
            false => full,
        }
    }

    /// So many secrets, or fewer for a quick run.
    pub(crate) fn count(&self, full: usize) -> usize {
        match self.quick {
            true => full.min(10_000),
            false => full,
        }
    }

    /// The numbers of secrets that growth is shown at.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![100, 1000, 10_000, 100_000];
        sizes.retain(|size| *size <= self.count(100_000));
        sizes
    }

    pub(crate) fn engine(&self) -> Result<&Engine, Trouble> {
        if self.engine.get().is_none() {
            let _ = self.engine.set(Engine::start()?);
        }
        self.engine.get().ok_or_else(|| "no engine".into())
    }

    /// The wallet of so many secrets, made once. Not to be changed: copy its device.
    pub(crate) fn wallet(&self, shape: Shape, count: usize) -> Result<Rc<Made>, Trouble> {
        if let Some(made) = self.made.borrow().get(&(shape, count)) {
            return Ok(made.clone());
        }
        let device = match count {
            0 => Device::new()?,
            _ => self.wallet(shape, 0)?.device.copy()?,
        };
        if count >= 10_000 {
            eprintln!(
                "bench: making a wallet of {count} secrets ({})",
                shape.name()
            );
        }
        let import = match count {
            0 => None,
            _ => Some(device.import(shape, count)?),
        };
        let made = Rc::new(Made { device, import });
        self.made.borrow_mut().insert((shape, count), made.clone());
        Ok(made)
    }

    /// The same wallet in a table of the engine, made once. Not to be changed.
    pub(crate) fn table(&self, shape: Shape, count: usize) -> Result<Rc<Device>, Trouble> {
        if let Some(table) = self.tables.borrow().get(&(shape, count)) {
            return Ok(table.clone());
        }
        let made = self.wallet(shape, count)?;
        let table = Rc::new(made.device.in_table(self.engine()?)?);
        self.tables
            .borrow_mut()
            .insert((shape, count), table.clone());
        Ok(table)
    }

    /// A device of its own with the ordinary wallet.
    pub(crate) fn ordinary(&self) -> Result<Device, Trouble> {
        self.wallet(Shape::Hundreds, ORDINARY)?.device.copy()
    }

    /// The peers' mounts, with the ordinary secrets in each.
    pub(crate) fn peers(&self) -> Result<&[PeerMount], Trouble> {
        if self.peers.get().is_none() {
            let mut peers = Vec::new();
            for peer in Peer::ALL.into_iter().filter(|peer| is_there(peer.name())) {
                let sealed = Sealed::new(peer)?;
                let mounted = sealed.mount()?;
                Shape::Hundreds.make(ORDINARY, mounted.path())?;
                peers.push(PeerMount {
                    peer,
                    mounted,
                    sealed,
                });
            }
            let _ = self.peers.set(peers);
        }
        Ok(self.peers.get().map_or(&[], Vec::as_slice))
    }
}

/// Whether a program is on the search path.
pub(crate) fn is_there(program: &str) -> bool {
    let mut dirs = crate::PATH.split(':').map(std::path::Path::new);
    dirs.any(|dir| dir.join(program).exists())
}
