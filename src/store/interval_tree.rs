//! Which of many ranges hold this key?
//!
//! A treap: a search tree by where a range starts, kept in balance by giving every node a random-looking priority and
//! keeping the greater one above. Each node also knows the greatest end below it, so that a search leaves out every
//! subtree that ends before the key. Inserting and removing take about log(*ranges*) steps, a search about log(*ranges*)
//! for each range that it finds.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Where a range ends: ordered so that the one without an end comes last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Before this key.
    Before(Bytes),
    /// Never.
    Never,
}

impl End {
    fn is_after(&self, key: &[u8]) -> bool {
        match self {
            End::Before(end) => key < &end[..],
            End::Never => true,
        }
    }
}

/// A range of keys: its first key, and its end.
pub(super) type Interval = (Bytes, End);

/// Values by range, several to a range, told apart by a number.
#[derive(Debug)]
pub(super) struct IntervalTree<T> {
    root: Tree<T>,
    /// How many nodes were ever made; seeds their priorities.
    made: u64,
}

type Tree<T> = Option<Box<Node<T>>>;

#[derive(Debug)]
struct Node<T> {
    interval: Interval,
    values: BTreeMap<u64, T>,
    priority: u64,
    /// The greatest end of this node and of all below it.
    greatest_end: End,
    left: Tree<T>,
    right: Tree<T>,
}

impl<T> IntervalTree<T> {
    pub(super) fn new() -> IntervalTree<T> {
        IntervalTree { root: None, made: 0 }
    }

    /// Adds a value under a number that no other value of the tree has.
    pub(super) fn insert(&mut self, interval: Interval, id: u64, value: T) {
        if let Some(node) = find(&mut self.root, &interval) {
            node.values.insert(id, value);
            return;
        }
        self.made += 1;
        let node = Box::new(Node {
            greatest_end: interval.1.clone(),
            interval,
            values: BTreeMap::from([(id, value)]),
            priority: scatter(self.made),
            left: None,
            right: None,
        });
        self.root = Some(insert(self.root.take(), node));
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, interval: &Interval, id: u64) {
        let Some(node) = find(&mut self.root, interval) else { return };
        node.values.remove(&id);
        if node.values.is_empty() {
            self.root = remove(self.root.take(), interval);
        }
    }

    /// Calls `found` with the values of all ranges that hold `key`.
    pub(super) fn holding<'a>(&'a self, key: &[u8], found: &mut impl FnMut(&'a T)) {
        holding(&self.root, key, found);
    }

    /// All values.
    pub(super) fn for_each<'a>(&'a self, each: &mut impl FnMut(&'a T)) {
        fn walk<'a, T>(tree: &'a Tree<T>, each: &mut impl FnMut(&'a T)) {
            if let Some(node) = tree {
                walk(&node.left, each);
                node.values.values().for_each(&mut *each);
                walk(&node.right, each);
            }
        }
        walk(&self.root, each);
    }
}

impl<T> Node<T> {
    /// Sets `greatest_end` after a change below.
    fn renew(mut self: Box<Self>) -> Box<Self> {
        let below = [&self.left, &self.right].into_iter().flatten().map(|node| &node.greatest_end);
        self.greatest_end = below.fold(&self.interval.1, |greatest, end| greatest.max(end)).clone();
        self
    }
}

/// Spreads consecutive numbers over all 64 bits (the finishing steps of SplitMix64), the same on every machine.
fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn find<'a, T>(mut tree: &'a mut Tree<T>, interval: &Interval) -> Option<&'a mut Node<T>> {
    while let Some(node) = tree {
        if node.interval == *interval {
            return Some(node);
        }
        tree = if *interval < node.interval { &mut node.left } else { &mut node.right };
    }
    None
}

fn insert<T>(tree: Tree<T>, mut new: Box<Node<T>>) -> Box<Node<T>> {
    let Some(mut node) = tree else { return new };
    if new.priority > node.priority {
        (new.left, new.right) = split(Some(node), &new.interval);
        return new.renew();
    }
    if new.interval < node.interval {
        node.left = Some(insert(node.left.take(), new));
    } else {
        node.right = Some(insert(node.right.take(), new));
    }
    node.renew()
}

/// The nodes before `interval`, and those behind it.
fn split<T>(tree: Tree<T>, interval: &Interval) -> (Tree<T>, Tree<T>) {
    let Some(mut node) = tree else { return (None, None) };
    if node.interval < *interval {
        let (left, right) = split(node.right.take(), interval);
        node.right = left;
        (Some(node.renew()), right)
    } else {
        let (left, right) = split(node.left.take(), interval);
        node.left = right;
        (left, Some(node.renew()))
    }
}

fn remove<T>(tree: Tree<T>, interval: &Interval) -> Tree<T> {
    let mut node = tree?;
    if *interval == node.interval {
        return merge(node.left, node.right);
    }
    if *interval < node.interval {
        node.left = remove(node.left.take(), interval);
    } else {
        node.right = remove(node.right.take(), interval);
    }
    Some(node.renew())
}

/// Joins two trees of which all of the first stands before all of the second.
fn merge<T>(left: Tree<T>, right: Tree<T>) -> Tree<T> {
    match (left, right) {
        (Some(mut left), Some(right)) if left.priority > right.priority => {
            left.right = merge(left.right.take(), Some(right));
            Some(left.renew())
        }
        (left, Some(mut right)) => {
            right.left = merge(left, right.left.take());
            Some(right.renew())
        }
        (left, None) => left,
    }
}

fn holding<'a, T>(tree: &'a Tree<T>, key: &[u8], found: &mut impl FnMut(&'a T)) {
    let Some(node) = tree else { return };
    if !node.greatest_end.is_after(key) {
        return;
    }
    holding(&node.left, key, found);
    if node.interval.0 <= key {
        if node.interval.1.is_after(key) {
            node.values.values().for_each(&mut *found);
        }
        holding(&node.right, key, found);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn depth<T>(tree: &Tree<T>) -> usize {
        tree.as_ref().map_or(0, |node| 1 + depth(&node.left).max(depth(&node.right)))
    }

    fn key(number: u8) -> Bytes {
        vec![number].into()
    }

    #[test]
    fn ten_thousand_ranges_in_their_order_make_no_deep_tree() {
        let mut tree = IntervalTree::new();
        let interval = |number: u32| {
            let start = Bytes::from(format!("{number:08}/"));
            let end = End::Before(Bytes::from(format!("{number:08}0")));
            (start, end)
        };
        (0..10_000).for_each(|number| tree.insert(interval(number), number.into(), number));
        assert!(depth(&tree.root) < 50, "{}", depth(&tree.root));
        let mut found = Vec::new();
        tree.holding(b"00004711/x", &mut |number| found.push(*number));
        assert_eq!(found, [4711]);
        (0..10_000).for_each(|number| tree.remove(&interval(number), number.into()));
        assert!(tree.root.is_none());
    }

    proptest! {
        #[test]
        fn it_finds_what_a_list_finds(
            steps in prop::collection::vec((any::<bool>(), 0u8..20, 1u8..22, 0u64..12), 1..60),
        ) {
            let mut tree = IntervalTree::new();
            let mut list: Vec<(Interval, u64)> = Vec::new();
            for (add, start, length, id) in steps {
                let end = if length > 20 { End::Never } else { End::Before(key(start + length)) };
                let interval = (key(start), end);
                let place = list.iter().position(|known| known.1 == id);
                match place {
                    Some(place) if !add => {
                        let (interval, id) = list.remove(place);
                        tree.remove(&interval, id);
                    }
                    None if add => {
                        list.push((interval.clone(), id));
                        tree.insert(interval, id, id);
                    }
                    _ => {}
                }
                for number in 0..42 {
                    let mut found = Vec::new();
                    tree.holding(&[number], &mut |id| found.push(*id));
                    found.sort_unstable();
                    let holds = |interval: &Interval| interval.0 <= key(number) && interval.1.is_after(&[number]);
                    let mut expected: Vec<u64> =
                        list.iter().filter(|known| holds(&known.0)).map(|known| known.1).collect();
                    expected.sort_unstable();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
