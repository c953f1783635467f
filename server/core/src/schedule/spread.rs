// SPDX-License-Identifier: Apache-2.0
//! Nodes to choose from, sorted into the branches that tasks are spread over.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::model::Node;

use super::books::{Books, Rank};
use super::demand::{Demand, Shape};
use super::explain::Reasons;
use super::group::Standing;

/// The nodes that have the same values of all labels to spread over.
#[derive(Debug)]
pub(super) struct Leaf {
    /// The branches that lead to it, the first label's first.
    pub(super) path: Vec<usize>,
    /// Its nodes that fit, best first. A rank may be older than the books: as ranks only grow,
    /// one that is out of date is found when it comes to the top.
    heap: BinaryHeap<Reverse<Rank>>,
}

/// The nodes that fit one shape of demand.
#[derive(Debug)]
pub(super) struct Pool {
    /// What is said against the others.
    reasons: Reasons,
    /// Seats of the nodes that fit.
    fitting: Vec<usize>,
    /// The leaves.
    pub(super) leaves: Vec<Leaf>,
    /// How many branches there are: paths hold numbers below this.
    pub(super) branches: usize,
    /// The leaf of every seat, of nodes that do not fit as well.
    pub(super) leaf_of: Vec<usize>,
}

impl Pool {
    /// Asks every node.
    pub(super) fn new(books: &Books<'_>, shape: &Shape<'_>) -> Pool {
        let mut tree = Tree::default();
        let mut pool = Pool {
            reasons: Reasons::default(),
            fitting: Vec::new(),
            leaves: Vec::new(),
            branches: 0,
            leaf_of: Vec::with_capacity(books.seats.len()),
        };
        let mut ranks: Vec<Vec<Reverse<Rank>>> = Vec::new();
        for (seat, books_of_node) in books.seats.iter().enumerate() {
            let leaf = tree.leaf(books_of_node.node, shape.spread);
            pool.leaf_of.push(leaf);
            ranks.resize_with(ranks.len().max(leaf + 1), Vec::new);
            match shape.objection(books_of_node.node) {
                Some(objection) => pool.reasons.add(objection, books_of_node.free),
                None => {
                    pool.fitting.push(seat);
                    ranks[leaf].push(Reverse(books.rank(seat)));
                }
            }
        }
        pool.branches = tree.branches.len();
        pool.leaves = tree
            .paths
            .into_iter()
            .zip(ranks)
            .map(|(path, ranks)| Leaf {
                path,
                heap: ranks.into(),
            })
            .collect();
        pool
    }

    /// What is said against every node, when none fits one more task of a service.
    pub(super) fn reasons(
        &self,
        books: &Books<'_>,
        demand: &Demand<'_>,
        standing: &Standing,
    ) -> Reasons {
        let mut reasons = self.reasons.clone();
        for seat in &self.fitting {
            if let Some(objection) = demand.objection(books, *seat, standing.own(*seat)) {
                reasons.add(objection, books.seats[*seat].free);
            }
        }
        reasons
    }

    /// Takes out the best seat of a leaf.
    pub(super) fn pop(&mut self, books: &Books<'_>, leaf: usize) -> Option<usize> {
        let heap = &mut self.leaves[leaf].heap;
        while let Some(Reverse(rank)) = heap.pop() {
            let present = books.rank(rank.2);
            if rank == present {
                return Some(rank.2);
            }
            heap.push(Reverse(present));
        }
        None
    }

    /// Puts back a seat that was taken out.
    pub(super) fn push(&mut self, books: &Books<'_>, seat: usize) {
        let leaf = self.leaf_of[seat];
        self.leaves[leaf].heap.push(Reverse(books.rank(seat)));
    }
}

/// The branches found so far. A missing label is a value like any other.
#[derive(Default, Debug)]
struct Tree<'a> {
    branches: BTreeMap<Vec<Option<&'a str>>, usize>,
    leaves: BTreeMap<Vec<Option<&'a str>>, usize>,
    paths: Vec<Vec<usize>>,
}

impl<'a> Tree<'a> {
    /// The leaf a node belongs to.
    fn leaf(&mut self, node: &'a Node, labels: &[String]) -> usize {
        let values: Vec<_> = labels
            .iter()
            .map(|label| node.spec.labels.get(label).map(String::as_str))
            .collect();
        if let Some(leaf) = self.leaves.get(&values) {
            return *leaf;
        }
        let path = (1..=values.len())
            .map(|length| {
                let next = self.branches.len();
                *self
                    .branches
                    .entry(values[..length].to_vec())
                    .or_insert(next)
            })
            .collect();
        self.paths.push(path);
        self.leaves.insert(values, self.paths.len() - 1);
        self.paths.len() - 1
    }
}
