//! Ordered sequences of elements that live elsewhere: the idle agents of a class, the waiting contacts of a band.
//!
//! Nearly every element joins at the tail (it became idle, or arrived, just now) and some at the head (a refused
//! offer puts its contact back). For these a linked list does all in O(1), and a balanced tree or a heap would be
//! wasted. But an element may also join in the middle, and a linked list alone would then walk. So a [`Sequence`]
//! is both: a list, and beside it a treap for those that fit at neither end. The order is that of the two merged.
//!
//! Both are intrusive: an element's two links serve for one or the other, and lie in the caller's own records
//! ([`Nodes`]). A sequence allocates nothing, ever, and is 20 bytes, so there can be one per class and priority.

/// No node.
const NIL: u32 = TREE - 1;

/// In `Links::a`, for an element in no sequence. Node numbers are below it.
const OUT: u32 = TREE - 2;

/// The flag in `Links::a` for an element in the treap.
const TREE: u32 = 1 << 31;

/// How many elements at either end of the list are tried before the treap is used. Agents freed at the same instant
/// join in the order of the commands, not of their numbers, so the place wanted is often one or two from the tail.
const NEAR: u32 = 6;

/// The records in which elements are kept: what a [`Sequence`] needs to know of them.
///
/// Nodes are numbered below 2^31 − 2, as slots of a `Slab` are. The key of a node must not change while it is
/// in a sequence. Equal keys are allowed and ordered by node number, but end a key in a unique id where the order
/// should not depend on slots. An element that stands in several sequences at once needs a node for each.
pub trait Nodes {
    /// What elements are ordered by, least first.
    type Key: Copy + Ord;

    /// The key of `node`.
    fn key(&self, node: u32) -> Self::Key;

    /// The links last set for `node`; [`Links::OUT`] at first.
    fn links(&self, node: u32) -> Links;

    /// Stores the links of `node`.
    fn set_links(&mut self, node: u32, links: Links);
}

/// Where an element is and what it is linked to. Eight bytes, opaque to those who store it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Links {
    /// The one before or the left child; [`TREE`] is set in the treap; [`OUT`] when in no sequence.
    a: u32,
    /// The one after, or the right child.
    b: u32,
}

const _: () = assert!(size_of::<Links>() == 8);

impl Links {
    /// The links of an element in no sequence; also the default.
    pub const OUT: Self = Self { a: OUT, b: NIL };

    /// The kind of place the element is in. O(1).
    #[inline]
    pub const fn place(self) -> Place {
        if self.a == OUT {
            Place::Out
        } else if self.a & TREE == 0 {
            Place::List
        } else {
            Place::Tree
        }
    }

    /// Whether the element is in a sequence. O(1).
    #[inline]
    pub const fn is_in(self) -> bool {
        self.a != OUT
    }

    const fn in_list(prev: u32, next: u32) -> Self {
        Self { a: prev, b: next }
    }

    const fn in_tree(left: u32, right: u32) -> Self {
        Self { a: left | TREE, b: right }
    }

    const fn prev(self) -> u32 {
        self.a
    }

    const fn next(self) -> u32 {
        self.b
    }

    const fn left(self) -> u32 {
        self.a & !TREE
    }

    const fn right(self) -> u32 {
        self.b
    }
}

impl Default for Links {
    fn default() -> Self {
        Self::OUT
    }
}

/// The kind of place an element is in; which of the two parts is of interest to tests and audits only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In no sequence.
    Out,
    /// In the list of a sequence.
    List,
    /// In the treap of a sequence.
    Tree,
}

/// A set of nodes in the order of their keys. 20 bytes; allocates nothing.
///
/// Every method takes the records the nodes are in, which must be the same ones each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sequence {
    head: u32,
    tail: u32,
    root: u32,
    /// The first of the treap, kept so that `first` need not walk down to it.
    least: u32,
    len: u32,
}

impl Sequence {
    /// A sequence of no elements.
    pub const EMPTY: Self = Self { head: NIL, tail: NIL, root: NIL, least: NIL, len: 0 };

    /// The number of elements. O(1).
    #[inline]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no element. O(1).
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element with the least key. O(1).
    #[inline]
    pub fn first<N: Nodes>(&self, nodes: &N) -> Option<u32> {
        self.walk().next(self, nodes, Step::Stay)
    }

    /// The elements in the order of their keys, lazily: O(1) for each in the list, expected O(log n) for each in
    /// the treap. No allocation.
    #[inline]
    pub fn iter<'a, N: Nodes>(&self, nodes: &'a N) -> Iter<'a, N> {
        Iter { sequence: *self, nodes, walk: self.walk() }
    }

    /// Adds `node`. O(1) within a few elements of either end, else expected O(log n).
    ///
    /// # Panics
    ///
    /// When `node` is in a sequence already, or is 2^31 − 2 or more.
    pub fn insert<N: Nodes>(&mut self, nodes: &mut N, node: u32) {
        assert!(node < OUT, "node number is too high");
        assert!(!nodes.links(node).is_in(), "node is in a sequence already");
        match self.gap(nodes, node) {
            Some(prev) => self.link(nodes, node, prev),
            None => self.plant(nodes, node),
        }
        self.len += 1;
    }

    /// Takes `node` out. O(1) when it is in the list, expected O(log n) when in the treap.
    ///
    /// # Panics
    ///
    /// When `node` is in no sequence. When it is in another one this panics or corrupts both; [`Sequence::check`]
    /// tells.
    pub fn remove<N: Nodes>(&mut self, nodes: &mut N, node: u32) {
        match nodes.links(node).place() {
            Place::Out => panic!("node is in no sequence"),
            Place::List => self.unlink(nodes, node),
            Place::Tree => self.uproot(nodes, node),
        }
        nodes.set_links(node, Links::OUT);
        self.len -= 1;
    }

    /// Checks every invariant. O(n log n); for audits and tests.
    ///
    /// # Panics
    ///
    /// When one does not hold.
    pub fn check<N: Nodes>(&self, nodes: &N) {
        let mut listed = 0;
        let (mut prev, mut node) = (NIL, self.head);
        while node != NIL {
            let links = nodes.links(node);
            assert_eq!(links.place(), Place::List, "place");
            assert_eq!(links.prev(), prev, "link back");
            assert!(prev == NIL || rank(nodes, prev) < rank(nodes, node));
            listed += 1;
            (prev, node) = (node, links.next());
        }
        assert_eq!(self.tail, prev, "tail");
        let mut planted = 0;
        let (mut prev, mut node) = (NIL, self.least);
        if self.root != NIL {
            assert_eq!(self.least, leftmost(nodes, self.root), "least");
        }
        while node != NIL {
            let links = nodes.links(node);
            assert_eq!(links.place(), Place::Tree, "place");
            assert!(prev == NIL || rank(nodes, prev) < rank(nodes, node));
            for child in [links.left(), links.right()] {
                assert!(child == NIL || weight(child) < weight(node), "heap order");
            }
            planted += 1;
            (prev, node) = (node, self.tree_after(nodes, node));
        }
        assert_eq!(listed + planted, self.len, "length");
    }

    const fn walk(&self) -> Walk {
        Walk { list: self.head, tree: self.least }
    }

    /// The element of the list after which `node` belongs (`NIL`: before all), if that is near either end.
    #[inline]
    fn gap<N: Nodes>(&self, nodes: &N, node: u32) -> Option<u32> {
        let wanted = rank(nodes, node);
        // While `back` has not been found, it is the higher of two that close in, so `front` is a node too.
        let (mut front, mut back) = (self.head, self.tail);
        for _ in 0..NEAR {
            if back == NIL || rank(nodes, back) < wanted {
                return Some(back);
            }
            let ahead = nodes.links(front);
            if wanted < rank(nodes, front) {
                return Some(ahead.prev());
            }
            back = nodes.links(back).prev();
            front = ahead.next();
        }
        None
    }

    fn link<N: Nodes>(&mut self, nodes: &mut N, node: u32, prev: u32) {
        let next = match prev {
            NIL => self.head,
            _ => nodes.links(prev).next(),
        };
        nodes.set_links(node, Links::in_list(prev, next));
        self.join(nodes, prev, node);
        self.join(nodes, node, next);
    }

    fn unlink<N: Nodes>(&mut self, nodes: &mut N, node: u32) {
        let links = nodes.links(node);
        // Cheap, and catches most removals from the wrong sequence.
        assert_eq!(links.prev() == NIL, self.head == node, "node is elsewhere");
        assert_eq!(links.next() == NIL, self.tail == node, "node is elsewhere");
        self.join(nodes, links.prev(), links.next());
    }

    /// Makes `prev` and `next` neighbours in the list; `NIL` stands for its outside.
    #[inline]
    fn join<N: Nodes>(&mut self, nodes: &mut N, prev: u32, next: u32) {
        match prev {
            NIL => self.head = next,
            _ => {
                let before = nodes.links(prev).prev();
                nodes.set_links(prev, Links::in_list(before, next));
            }
        }
        match next {
            NIL => self.tail = prev,
            _ => {
                let after = nodes.links(next).next();
                nodes.set_links(next, Links::in_list(prev, after));
            }
        }
    }

    /// Adds `node` to the treap: down to where its weight wants it, then what is below is split around it.
    fn plant<N: Nodes>(&mut self, nodes: &mut N, node: u32) {
        let wanted = rank(nodes, node);
        if self.least == NIL || wanted < rank(nodes, self.least) {
            self.least = node;
        }
        let mut hole = Hole::Root;
        let mut below = self.root;
        while below != NIL && weight(node) < weight(below) {
            (hole, below) = step(nodes, wanted, below);
        }
        nodes.set_links(node, Links::in_tree(NIL, NIL));
        self.fill(nodes, hole, node);
        let (mut lower, mut upper) = (Hole::Left(node), Hole::Right(node));
        while below != NIL {
            let split = below;
            let side;
            (side, below) = step(nodes, wanted, split);
            match side {
                Hole::Left(_) => self.fill(nodes, core::mem::replace(&mut upper, side), split),
                _ => self.fill(nodes, core::mem::replace(&mut lower, side), split),
            }
        }
        self.fill(nodes, lower, NIL);
        self.fill(nodes, upper, NIL);
    }

    /// Takes `node` out of the treap: its two subtrees are merged in its place.
    fn uproot<N: Nodes>(&mut self, nodes: &mut N, node: u32) {
        if self.least == node {
            self.least = self.tree_after(nodes, node);
        }
        let wanted = rank(nodes, node);
        let mut hole = Hole::Root;
        let mut below = self.root;
        while below != node {
            assert!(below != NIL, "node is elsewhere");
            (hole, below) = step(nodes, wanted, below);
        }
        let links = nodes.links(node);
        let (mut left, mut right) = (links.left(), links.right());
        while left != NIL && right != NIL {
            if weight(left) > weight(right) {
                self.fill(nodes, hole, left);
                hole = Hole::Right(left);
                left = nodes.links(left).right();
            } else {
                self.fill(nodes, hole, right);
                hole = Hole::Left(right);
                right = nodes.links(right).left();
            }
        }
        self.fill(nodes, hole, if left == NIL { right } else { left });
    }

    fn fill<N: Nodes>(&mut self, nodes: &mut N, hole: Hole, child: u32) {
        match hole {
            Hole::Root => self.root = child,
            Hole::Left(node) => {
                let right = nodes.links(node).right();
                nodes.set_links(node, Links::in_tree(child, right));
            }
            Hole::Right(node) => {
                let left = nodes.links(node).left();
                nodes.set_links(node, Links::in_tree(left, child));
            }
        }
    }

    /// The one after `node` in the treap, or `NIL`. Expected O(log n): without links upward, by searching again.
    fn tree_after<N: Nodes>(&self, nodes: &N, node: u32) -> u32 {
        let right = nodes.links(node).right();
        if right != NIL {
            return leftmost(nodes, right);
        }
        let wanted = rank(nodes, node);
        let mut after = NIL;
        let mut below = self.root;
        while below != node {
            assert!(below != NIL, "node is elsewhere");
            let passed = below;
            let side;
            (side, below) = step(nodes, wanted, passed);
            if let Hole::Left(_) = side {
                after = passed;
            }
        }
        after
    }
}

impl Default for Sequence {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The link by which a subtree hangs.
#[derive(Clone, Copy)]
enum Hole {
    Root,
    Left(u32),
    Right(u32),
}

/// From `node` one step down towards `wanted`: the link taken and what hangs by it.
#[inline]
fn step<N: Nodes>(nodes: &N, wanted: (N::Key, u32), node: u32) -> (Hole, u32) {
    let links = nodes.links(node);
    if wanted < rank(nodes, node) { (Hole::Left(node), links.left()) } else { (Hole::Right(node), links.right()) }
}

#[inline]
fn rank<N: Nodes>(nodes: &N, node: u32) -> (N::Key, u32) {
    (nodes.key(node), node)
}

fn leftmost<N: Nodes>(nodes: &N, mut node: u32) -> u32 {
    loop {
        match nodes.links(node).left() {
            NIL => return node,
            left => node = left,
        }
    }
}

/// What the treap is heap-ordered by, greatest at the root: a one-to-one scrambling of the node number (the
/// finaliser of MurmurHash3), so the shape looks random, is the same on every machine, and knows no ties.
#[inline]
const fn weight(node: u32) -> u32 {
    let mut mixed = node ^ 0x9e37_79b9;
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85eb_ca6b);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
    mixed ^ (mixed >> 16)
}

/// The front of what is still to come of the list and of the treap.
#[derive(Clone, Copy)]
struct Walk {
    list: u32,
    tree: u32,
}

#[derive(Clone, Copy)]
enum Step {
    Stay,
    Onward,
}

impl Walk {
    #[inline]
    fn next<N: Nodes>(&mut self, sequence: &Sequence, nodes: &N, step: Step) -> Option<u32> {
        let Self { list, tree } = *self;
        let from_list = match (list, tree) {
            (NIL, NIL) => return None,
            (_, NIL) => true,
            (NIL, _) => false,
            _ => rank(nodes, list) < rank(nodes, tree),
        };
        if let Step::Onward = step {
            if from_list {
                self.list = nodes.links(list).next();
            } else {
                self.tree = sequence.tree_after(nodes, tree);
            }
        }
        Some(if from_list { list } else { tree })
    }
}

/// The iterator of [`Sequence::iter`].
pub struct Iter<'a, N> {
    sequence: Sequence,
    nodes: &'a N,
    walk: Walk,
}

impl<N: Nodes> Iterator for Iter<'_, N> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        self.walk.next(&self.sequence, self.nodes, Step::Onward)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    struct Arena {
        keys: Vec<u64>,
        links: Vec<Links>,
    }

    impl Nodes for Arena {
        type Key = u64;

        fn key(&self, node: u32) -> u64 {
            self.keys[node as usize]
        }

        fn links(&self, node: u32) -> Links {
            self.links[node as usize]
        }

        fn set_links(&mut self, node: u32, links: Links) {
            self.links[node as usize] = links;
        }
    }

    fn arena(len: u32) -> Arena {
        Arena { keys: vec![0; len as usize], links: vec![Links::OUT; len as usize] }
    }

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % sides
        }
    }

    #[test]
    fn joins_at_either_end_stay_in_the_list() {
        let mut nodes = arena(100);
        let mut sequence = Sequence::default();
        for node in 0..50 {
            nodes.keys[node as usize] = 100 + u64::from(node);
            sequence.insert(&mut nodes, node);
        }
        for node in 50..100 {
            nodes.keys[node as usize] = 100 - u64::from(node);
            sequence.insert(&mut nodes, node);
        }
        assert!(nodes.links.iter().all(|l| l.place() == Place::List));
        assert_eq!(sequence.first(&nodes), Some(99));
        assert!(sequence.iter(&nodes).eq((50..100).rev().chain(0..50)));
        sequence.check(&nodes);
    }

    #[test]
    fn a_join_in_the_middle_is_planted_and_leaves_no_trace() {
        let mut nodes = arena(41);
        let mut sequence = Sequence::EMPTY;
        for node in 0..40 {
            nodes.keys[node as usize] = u64::from(node) * 10;
            sequence.insert(&mut nodes, node);
        }
        let before = sequence;
        nodes.keys[40] = 195;
        sequence.insert(&mut nodes, 40);
        assert_eq!(nodes.links[40].place(), Place::Tree);
        assert_eq!(sequence.iter(&nodes).nth(20), Some(40));
        sequence.check(&nodes);
        sequence.remove(&mut nodes, 40);
        assert!(!nodes.links[40].is_in());
        assert_eq!(sequence, before);
    }

    #[test]
    fn equal_keys_go_by_node() {
        let mut nodes = arena(64);
        let mut sequence = Sequence::EMPTY;
        for node in 0..64 {
            sequence.insert(&mut nodes, (node * 37) % 64);
        }
        assert!(sequence.iter(&nodes).eq(0..64));
        sequence.check(&nodes);
    }

    #[test]
    #[should_panic(expected = "in a sequence already")]
    fn a_second_insertion_is_refused() {
        let mut nodes = arena(1);
        let mut sequence = Sequence::EMPTY;
        sequence.insert(&mut nodes, 0);
        sequence.insert(&mut nodes, 0);
    }

    #[test]
    #[should_panic(expected = "in no sequence")]
    fn a_second_removal_is_refused() {
        Sequence::default().remove(&mut arena(1), 0);
    }

    /// `appends` of a hundred insertions are at the tail, the others anywhere.
    fn run(seed: u64, appends: u64, size: u32, steps: u32) {
        let mut dice = Dice(seed);
        let mut nodes = arena(size);
        let mut sequences = [Sequence::EMPTY; 2];
        let mut models = [BTreeSet::new(), BTreeSet::new()];
        let mut home = vec![0; size as usize];
        let mut clock = 1_000_000;
        for turn in 0..steps {
            // Swings between nearly full and nearly empty.
            let growing = (turn / (2 * size)).is_multiple_of(2);
            let node = dice.roll(u64::from(size)) as u32;
            let at = node as usize;
            if nodes.links[at].is_in() {
                if !growing || dice.roll(3) == 0 {
                    let (sequence, model) = (&mut sequences[home[at]], &mut models[home[at]]);
                    sequence.remove(&mut nodes, node);
                    assert!(model.remove(&(nodes.keys[at], node)));
                }
            } else if growing || dice.roll(3) == 0 {
                clock += dice.roll(3);
                nodes.keys[at] = if dice.roll(100) < appends { clock } else { dice.roll(clock) };
                home[at] = dice.roll(2) as usize;
                sequences[home[at]].insert(&mut nodes, node);
                models[home[at]].insert((nodes.keys[at], node));
            }
            for (sequence, model) in sequences.iter().zip(&models) {
                assert_eq!(sequence.len() as usize, model.len());
                assert_eq!(sequence.first(&nodes), model.first().map(|(_, node)| *node));
                let skipped = sequence.iter(&nodes).take(5);
                assert!(skipped.eq(model.iter().take(5).map(|(_, node)| *node)));
                if turn.is_multiple_of(4_096) {
                    assert!(sequence.iter(&nodes).eq(model.iter().map(|(_, node)| *node)));
                    sequence.check(&nodes);
                }
            }
        }
    }

    #[test]
    fn agrees_with_an_ordered_set() {
        run(1, 97, 4_000, 100_000);
        run(2, 0, 4_000, 100_000);
        run(3, 50, 300, 100_000);
        run(4, 80, 8, 20_000);
        run(5, 0, 30, 20_000);
    }

    #[test]
    fn the_treap_stays_shallow() {
        let size = 1 << 14;
        let mut nodes = arena(size);
        let mut sequence = Sequence::EMPTY;
        // Ascending keys, the worst order for a plain tree, behind some far ahead: so they are not at the tail.
        for node in 0..size {
            nodes.keys[node as usize] = u64::from(if node < 2 * NEAR { u32::MAX } else { node });
            sequence.insert(&mut nodes, node);
        }
        let planted = nodes.links.iter().filter(|l| l.place() == Place::Tree);
        assert!(planted.count() as u32 > size - 4 * NEAR);
        let mut deepest = 0;
        let mut stack = vec![(sequence.root, 1)];
        while let Some((node, depth)) = stack.pop() {
            if node != NIL {
                deepest = depth.max(deepest);
                let links = nodes.links(node);
                stack.extend([(links.left(), depth + 1), (links.right(), depth + 1)]);
            }
        }
        assert!((14..60).contains(&deepest), "{deepest}");
        sequence.check(&nodes);
    }
}
