// SPDX-License-Identifier: Apache-2.0
//! The simulated disk: what is cached, what is durable, and what a crash leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::inode::{Inode, Loss};
use super::random::Random;

/// What goes wrong at a planned moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operation fails with EIO. If it is a sync, an unknown part is on disk and the rest
    /// never will be, though reading shows it.
    Error,
    /// The operation fails with ENOSPC, a write after an unknown part of it.
    NoSpace,
    /// The power goes in the midst of it: this operation and all later ones fail until the
    /// crash is carried out.
    PowerOff,
}

/// A change of names that no directory sync has made durable yet.
#[derive(Debug, Clone)]
struct NameChange {
    removed: Option<PathBuf>,
    linked: Option<(PathBuf, u64)>,
}

/// The whole disk. Locked by [`super::SimFs`], which adds handles to it.
#[derive(Debug)]
pub(super) struct Disk {
    random: Random,
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    unsynced_names: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    next_number: u64,
    capacity_bytes: u64,
    /// Counts crashes: a handle of an earlier life is dead.
    pub(super) life: u64,
    powered: bool,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    latency_max: Duration,
    delay: Duration,
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            dirs: BTreeSet::new(),
            next_number: 1,
            capacity_bytes: u64::MAX,
            life: 0,
            powered: true,
            operations: 0,
            faults: BTreeMap::new(),
            latency_max: Duration::ZERO,
            delay: Duration::ZERO,
        }
    }

    pub(super) fn set_capacity(&mut self, bytes: u64) {
        self.capacity_bytes = bytes;
    }

    pub(super) fn set_latency(&mut self, max: Duration) {
        self.latency_max = max;
    }

    pub(super) fn take_delay(&mut self) -> Duration {
        std::mem::take(&mut self.delay)
    }

    pub(super) fn stall(&mut self, time: Duration) {
        self.delay += time;
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn plan(&mut self, operation: u64, fault: Fault) {
        self.faults.insert(operation, fault);
    }

    pub(super) fn clear_faults(&mut self) {
        self.faults.clear();
    }

    fn fresh_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Counts an operation that changes the disk and says what goes wrong with it.
    fn count(&mut self) -> io::Result<Option<Fault>> {
        self.powered()?;
        self.operations += 1;
        let latency_nanos = u64::try_from(self.latency_max.as_nanos()).unwrap_or(u64::MAX);
        self.delay += Duration::from_nanos(self.random.below(latency_nanos));
        let fault = self.faults.remove(&self.operations);
        if fault == Some(Fault::PowerOff) {
            self.powered = false;
        }
        Ok(fault)
    }

    fn powered(&self) -> io::Result<()> {
        if self.powered {
            Ok(())
        } else {
            Err(io::Error::other("the power is off"))
        }
    }

    fn inode(&mut self, number: u64) -> &mut Inode {
        self.inodes.entry(number).or_default()
    }

    pub(super) fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.powered()?;
        self.dirs.extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.powered()?;
        if !self.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = self.names.keys().chain(&self.dirs);
        let inside = below.filter(|path| path.parent() == Some(dir));
        let mut names: Vec<String> = inside
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        self.powered()?;
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        if !path.parent().is_some_and(|dir| self.dirs.contains(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        fail(self.count()?)?;
        let number = self.fresh_number();
        self.inodes.insert(number, Inode::default());
        self.change_names(None, Some((path.to_path_buf(), number)));
        Ok(number)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let number = self.find(from)?;
        let fault = self.count()?;
        // With the power the rename may still have gone through.
        if fault.is_none() || fault == Some(Fault::PowerOff) {
            self.change_names(Some(from.to_path_buf()), Some((to.to_path_buf(), number)));
        }
        fail(fault)
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        let fault = self.count()?;
        if fault.is_none() || fault == Some(Fault::PowerOff) {
            self.change_names(Some(path.to_path_buf()), None);
        }
        fail(fault)
    }

    fn change_names(&mut self, removed: Option<PathBuf>, linked: Option<(PathBuf, u64)>) {
        let change = NameChange { removed, linked };
        change.carry_out(&mut self.names);
        self.unsynced_names.push(change);
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        fail(self.count()?)?;
        let changes = std::mem::take(&mut self.unsynced_names);
        for change in changes {
            if change.is_in(dir) {
                change.carry_out(&mut self.durable_names);
            } else {
                self.unsynced_names.push(change);
            }
        }
        Ok(())
    }

    pub(super) fn len(&mut self, number: u64) -> io::Result<u64> {
        self.powered()?;
        Ok(self.inode(number).cached.len() as u64)
    }

    pub(super) fn read(&mut self, number: u64, at: u64, out: &mut [u8]) -> io::Result<usize> {
        self.powered()?;
        let content = &self.inode(number).cached;
        let start = usize::try_from(at).map_or(content.len(), |at| at.min(content.len()));
        let size = out.len().min(content.len() - start);
        out[..size].copy_from_slice(&content[start..start + size]);
        Ok(size)
    }

    pub(super) fn write(&mut self, number: u64, at: u64, data: &[u8]) -> io::Result<()> {
        let mut fault = self.count()?;
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let mut size = data.len();
        let growth = (at + size).saturating_sub(self.inode(number).cached.len()) as u64;
        if fault.is_none() && growth > 0 && self.used_bytes() + growth > self.capacity_bytes {
            fault = Some(Fault::NoSpace);
        }
        if fault.is_some() {
            size = self.random.below(size as u64) as usize;
        }
        self.inode(number).write(at, &data[..size]);
        fail(fault)
    }

    fn used_bytes(&self) -> u64 {
        let named = self
            .names
            .values()
            .filter_map(|number| self.inodes.get(number));
        named.map(|inode| inode.cached.len() as u64).sum()
    }

    pub(super) fn sync(&mut self, number: u64) -> io::Result<()> {
        match self.count()? {
            None => {
                let mut inode = std::mem::take(self.inode(number));
                inode.settle(Loss::Nothing, &mut self.random);
                self.inodes.insert(number, inode);
                Ok(())
            }
            // Whatever arrives by luck is kept; the rest is clean in the cache and nowhere else.
            Some(fault) => {
                let mut inode = std::mem::take(self.inode(number));
                if fault != Fault::PowerOff {
                    inode.settle(Loss::Random, &mut self.random);
                }
                self.inodes.insert(number, inode);
                fail(Some(fault))
            }
        }
    }

    /// Takes the lock of a file for an opening; `false` if another one of this life holds it.
    pub(super) fn lock(&mut self, number: u64, handle: u64) -> io::Result<bool> {
        self.powered()?;
        let inode = self.inode(number);
        if inode.lock.is_some_and(|holder| holder != handle) {
            return Ok(false);
        }
        inode.lock = Some(handle);
        Ok(true)
    }

    pub(super) fn unlock(&mut self, number: u64, handle: u64) {
        let inode = self.inode(number);
        if inode.lock == Some(handle) {
            inode.lock = None;
        }
    }

    pub(super) fn fresh_handle(&mut self) -> u64 {
        self.fresh_number()
    }

    /// Ends this life of the disk and begins the next with what is left.
    pub(super) fn crash(&mut self, loss: Loss) {
        self.life += 1;
        self.powered = true;
        self.faults.clear();
        self.delay = Duration::ZERO;
        for inode in self.inodes.values_mut() {
            inode.lock = None;
        }
        if loss == Loss::Nothing {
            return;
        }
        self.settle_names(loss);
        let mut inodes = std::mem::take(&mut self.inodes);
        inodes.retain(|number, _| self.names.values().any(|named| named == number));
        for inode in inodes.values_mut() {
            inode.settle(loss, &mut self.random);
            inode.cached.clone_from(&inode.durable);
        }
        self.inodes = inodes;
    }

    fn settle_names(&mut self, loss: Loss) {
        let changes = std::mem::take(&mut self.unsynced_names);
        let kept = self.random.below(changes.len() as u64 + 1) as usize;
        for (place, change) in changes.into_iter().enumerate() {
            let keep = match loss {
                Loss::Nothing => true,
                Loss::Everything => false,
                Loss::Suffix => place < kept,
                Loss::Random => self.random.one_in(2),
            };
            if keep {
                change.carry_out(&mut self.durable_names);
            }
        }
        self.names.clone_from(&self.durable_names);
    }

    /// The content as a reader sees it.
    pub(super) fn content(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let number = self.find(path)?;
        Ok(self.inode(number).cached.clone())
    }

    /// Replaces the content, cached and durable: damage, not a write.
    pub(super) fn set_content(&mut self, path: &Path, content: Vec<u8>) -> io::Result<()> {
        let number = self.find(path)?;
        let inode = self.inode(number);
        inode.durable.clone_from(&content);
        inode.cached = content;
        inode.dirty.clear();
        Ok(())
    }
}

impl NameChange {
    fn carry_out(&self, names: &mut BTreeMap<PathBuf, u64>) {
        if let Some(path) = &self.removed {
            names.remove(path);
        }
        if let Some((path, number)) = &self.linked {
            names.insert(path.clone(), *number);
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let linked = self.linked.as_ref().map(|(path, _)| path);
        let mut paths = self.removed.iter().chain(linked);
        paths.any(|path| path.parent() == Some(dir))
    }
}

fn fail(fault: Option<Fault>) -> io::Result<()> {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    match fault {
        None => Ok(()),
        Some(Fault::Error) => Err(io::Error::from_raw_os_error(EIO)),
        Some(Fault::NoSpace) => Err(io::Error::from_raw_os_error(ENOSPC)),
        Some(Fault::PowerOff) => Err(io::Error::other("the power went")),
    }
}
