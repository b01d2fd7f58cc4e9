//! A sorted map in two layers: a frozen one that copies share, and what came since.
//!
//! A copy costs what came since the map was frozen, not what it holds. So engines that start over
//! the same disk share it, and a set is copied to try a statement on it. It reads as one map: what
//! came since hides what is frozen under the same key.
//!
//! Refused here: freezing by itself; whoever has taken in a whole disk says so.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::sync::Arc;

/// A map whose copies share what was frozen.
#[derive(Clone)]
pub(crate) struct Layered<K, V> {
    frozen: Arc<BTreeMap<K, V>>,
    /// What came since; nothing for what was taken away.
    since: BTreeMap<K, Option<V>>,
    len: usize,
}

impl<K: Ord + Clone, V: Clone> Layered<K, V> {
    /// What is kept under this key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self.since.get(key) {
            Some(kept) => kept.as_ref(),
            None => self.frozen.get(key),
        }
    }

    /// True when something is kept under this key.
    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Keeps a value; gives back the one that it replaces.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let frozen = || self.frozen.get(&key).cloned();
        let before = match self.since.get_mut(&key) {
            Some(kept) => kept.take(),
            None => frozen(),
        };
        self.len += usize::from(before.is_none());
        self.since.insert(key, Some(value));
        before
    }

    /// Takes a value away.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let before = match self.since.remove(key) {
            Some(kept) => kept,
            None => self.frozen.get(key).cloned(),
        };
        if self.frozen.contains_key(key) {
            self.since.insert(key.clone(), None);
        }
        self.len -= usize::from(before.is_some());
        before
    }

    /// What is kept under this key, to be changed; the default where nothing is.
    pub(crate) fn at(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let frozen = self.frozen.get(&key);
        let kept = self.since.entry(key).or_insert_with(|| frozen.cloned());
        self.len += usize::from(kept.is_none());
        kept.get_or_insert_default()
    }

    /// Everything, by ascending key.
    pub(crate) fn iter(&self) -> Merged<'_, K, V> {
        Merged { frozen: self.frozen.iter().peekable(), since: self.since.iter().peekable() }
    }

    /// Every key, ascending.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// Every value, by ascending key.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// How many values are kept.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// True when nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes everything away.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Lets later copies share everything that is kept now.
    pub(crate) fn freeze(&mut self) {
        if !self.since.is_empty() {
            let whole = self.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            *self = Self { frozen: Arc::new(whole), since: BTreeMap::new(), len: self.len };
        }
    }
}

/// Both layers as one.
pub(crate) struct Merged<'a, K, V> {
    frozen: Peekable<std::collections::btree_map::Iter<'a, K, V>>,
    since: Peekable<std::collections::btree_map::Iter<'a, K, Option<V>>>,
}

impl<'a, K: Ord, V> Iterator for Merged<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((key, _)) = self.since.peek() else { return self.frozen.next() };
            if self.frozen.peek().is_some_and(|(frozen, _)| frozen < key) {
                return self.frozen.next();
            }
            self.frozen.next_if(|(frozen, _)| frozen == key);
            if let Some((key, Some(value))) = self.since.next() {
                return Some((key, value));
            }
        }
    }
}

impl<K, V> Default for Layered<K, V> {
    fn default() -> Self {
        Self { frozen: Arc::default(), since: BTreeMap::new(), len: 0 }
    }
}

/// Equal when the same is kept, whatever is frozen of it.
impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for Layered<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for Layered<K, V> {}

impl<K: Ord + Clone + std::fmt::Debug, V: Clone + std::fmt::Debug> std::fmt::Debug
    for Layered<K, V>
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Layered;
    use std::collections::BTreeMap;

    /// Goal: it reads as a plain map, whatever is frozen when. Method: every sequence of six steps
    /// of insert, remove, change and freeze over two keys, beside a plain map.
    #[test]
    fn it_reads_as_a_plain_map() {
        let steps = 7_usize;
        for run in 0..steps.pow(6) {
            let (mut layered, mut plain) = (Layered::default(), BTreeMap::new());
            for step in 0..6_u32 {
                let key = step % 2 == 0;
                match run / steps.pow(step) % steps {
                    0 => assert_eq!(layered.insert(true, step), plain.insert(true, step)),
                    1 => assert_eq!(layered.insert(false, step), plain.insert(false, step)),
                    2 => assert_eq!(layered.remove(&true), plain.remove(&true)),
                    3 => assert_eq!(layered.remove(&false), plain.remove(&false)),
                    4 => {
                        *layered.at(key) += 1;
                        *plain.entry(key).or_default() += 1;
                    }
                    5 => layered.freeze(),
                    _ => layered = layered.clone(),
                }
                assert!(layered.iter().eq(plain.iter()), "run {run}: {layered:?} {plain:?}");
                assert_eq!(layered.len(), plain.len());
                assert_eq!(layered.get(&key), plain.get(&key));
            }
        }
    }
}
