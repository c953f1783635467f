// SPDX-License-Identifier: Apache-2.0
//! Choosing nodes for tasks that are alike, one after the other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::books::{Books, Rank};
use super::demand::Demand;
use super::spread::Pool;

/// Where the tasks of one service are, and where they fail.
#[derive(Default, Debug)]
pub(super) struct Standing {
    /// Tasks that are meant to run, by seat.
    pub(super) own: BTreeMap<usize, u32>,
    /// Seats where the service failed too often of late.
    pub(super) failing: BTreeSet<usize>,
}

impl Standing {
    /// Tasks of the service on a seat that are meant to run.
    pub(super) fn own(&self, seat: usize) -> u32 {
        self.own.get(&seat).copied().unwrap_or_default()
    }
}

/// The order among the seats of a leaf: those that fail last, then fewest tasks of the service.
type Key = (bool, u32, Rank);

/// A choice in progress among the nodes of a pool.
#[derive(Debug)]
pub(super) struct Choice<'c, 'a> {
    books: &'c mut Books<'a>,
    pool: &'c mut Pool,
    demand: &'c Demand<'a>,
    standing: &'c mut Standing,
    /// Tasks of the service in each branch.
    counts: Vec<u32>,
    /// The best seat of each leaf.
    heads: Vec<Option<Key>>,
    /// Of each leaf, seats that have tasks of the service or fail: they come after all others.
    later: Vec<BinaryHeap<Reverse<Key>>>,
    /// Seats taken out of the pool, which go back in the end.
    borrowed: Vec<usize>,
}

impl<'c, 'a> Choice<'c, 'a> {
    /// Begins to choose.
    pub(super) fn new(
        books: &'c mut Books<'a>,
        pool: &'c mut Pool,
        demand: &'c Demand<'a>,
        standing: &'c mut Standing,
    ) -> Self {
        let leaves = pool.leaves.len();
        let mut counts = vec![0; pool.branches];
        for (seat, own) in &standing.own {
            for branch in &pool.leaves[pool.leaf_of[*seat]].path {
                counts[*branch] += own;
            }
        }
        let mut choice = Choice {
            books,
            pool,
            demand,
            standing,
            counts,
            heads: vec![None; leaves],
            later: vec![BinaryHeap::new(); leaves],
            borrowed: Vec::new(),
        };
        for leaf in 0..leaves {
            choice.heads[leaf] = choice.next_head(leaf);
        }
        choice
    }

    /// Puts the next task on the best seat there is; nothing if none fits any more.
    pub(super) fn next(&mut self) -> Option<usize> {
        let leaf = self.best_leaf()?;
        let (_, _, (_, _, seat)) = self.heads[leaf]?;
        self.books.take(seat, self.demand);
        *self.standing.own.entry(seat).or_default() += 1;
        for branch in &self.pool.leaves[leaf].path {
            self.counts[*branch] += 1;
        }
        self.enqueue(leaf, seat);
        self.heads[leaf] = self.next_head(leaf);
        Some(seat)
    }

    /// The leaf whose branches have the fewest tasks, level by level; of equal ones the one
    /// with the best head.
    fn best_leaf(&self) -> Option<usize> {
        let counts_of = |leaf: usize| {
            let path = &self.pool.leaves[leaf].path;
            path.iter().map(|branch| self.counts[*branch])
        };
        let mut best: Option<(usize, Key)> = None;
        for (leaf, head) in self.heads.iter().enumerate() {
            let Some(head) = *head else { continue };
            let better = best.is_none_or(|(other, other_head)| {
                let order = head.0.cmp(&other_head.0);
                let order = order.then_with(|| counts_of(leaf).cmp(counts_of(other)));
                order.then_with(|| head.cmp(&other_head)).is_lt()
            });
            if better {
                best = Some((leaf, head));
            }
        }
        best.map(|(leaf, _)| leaf)
    }

    /// Takes the best seat of a leaf that fits.
    fn next_head(&mut self, leaf: usize) -> Option<Key> {
        while let Some(seat) = self.pool.pop(self.books, leaf) {
            self.borrowed.push(seat);
            if self.standing.own(seat) > 0 || self.standing.failing.contains(&seat) {
                self.enqueue(leaf, seat);
            } else if self.demand.objection(self.books, seat, 0).is_none() {
                return Some((false, 0, self.books.rank(seat)));
            }
        }
        self.later[leaf].pop().map(|Reverse(key)| key)
    }

    /// Lets a seat wait for its turn, if one more task fits there.
    fn enqueue(&mut self, leaf: usize, seat: usize) {
        let own = self.standing.own(seat);
        if self.demand.objection(self.books, seat, own).is_none() {
            let fails = self.standing.failing.contains(&seat);
            self.later[leaf].push(Reverse((fails, own, self.books.rank(seat))));
        }
    }

    /// Gives the seats back to the pool.
    pub(super) fn finish(self) {
        for seat in self.borrowed {
            self.pool.push(self.books, seat);
        }
    }
}
