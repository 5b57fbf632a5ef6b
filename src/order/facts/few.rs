//! A map of few entries, sorted by key, in one piece of memory.
//!
//! Most orders have one authorization, one reservation, one parcel; a B-tree makes room for eleven of each, which is most of what
//! a batch of orders weighs. Invariant: keys ascend and none is there twice, so that equal maps are equal vectors.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::slice;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A map that is cheap while it is small: an entry costs its own size, a look-up a binary search, a new entry a move of those
/// behind it. 10,000 authorizations, the most that the facts of an order can be, are 640 kB to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Few<K, V>(Vec<(K, V)>);

impl<K: Ord, V> Few<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(&self.0[place].1)
    }

    /// Whether there is a value of a key.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// The value of a key, an empty one where there was none.
    pub fn entry(&mut self, key: &K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        let place = self.place(key).unwrap_or_else(|place| {
            self.put(place, (key.clone(), V::default()));
            place
        });
        &mut self.0[place].1
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.put(place, (key, value)),
        }
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(other, _)| other.borrow().cmp(key))
    }

    /// Grows by half and not to twice the size, and begins with room for one.
    fn put(&mut self, place: usize, entry: (K, V)) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(1 + self.0.len() / 2);
        }
        self.0.insert(place, entry);
    }
}

impl<K, V> Few<K, V> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, by key.
    pub fn iter(&self) -> Entries<'_, K, V> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }
}

/// The entries of a map, by key.
pub type Entries<'a, K, V> = std::iter::Map<slice::Iter<'a, (K, V)>, fn(&(K, V)) -> (&K, &V)>;

impl<'a, K, V> IntoIterator for &'a Few<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Entries<'a, K, V>;

    fn into_iter(self) -> Entries<'a, K, V> {
        self.iter()
    }
}

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Serialize, V: Serialize> Serialize for Few<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Few<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FewVisitor(PhantomData))
    }
}

struct FewVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for FewVisitor<K, V> {
    type Value = Few<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    /// Of a key that comes twice the last value counts, as with any map of serde.
    fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Few<K, V>, M::Error> {
        let mut few = Few::default();
        while let Some((key, value)) = object.next_entry()? {
            few.insert(key, value);
        }
        Ok(few)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_like_any_other(pairs in prop::collection::vec((0..40_u8, any::<i16>()), 0..80), asked in 0..40_u8) {
            let (mut few, mut map) = (Few::default(), BTreeMap::new());
            for (key, value) in &pairs {
                few.insert(*key, *value);
                map.insert(*key, *value);
            }
            prop_assert!(few.iter().eq(map.iter()));
            prop_assert!(few.keys().eq(map.keys()) && few.values().eq(map.values()));
            prop_assert_eq!((few.len(), few.is_empty()), (map.len(), map.is_empty()));
            prop_assert_eq!((few.get(&asked), few.contains_key(&asked)), (map.get(&asked), map.contains_key(&asked)));
            *few.entry(&asked) += 0;
            map.entry(asked).or_default();
            prop_assert!(few.iter().eq(map.iter()));
        }

        #[test]
        fn it_is_stored_as_any_other_map_and_read_in_whatever_order_its_keys_come(
            map in prop::collection::hash_map("[a-z]{1,4}", any::<u32>(), 0..20),
        ) {
            let few: Few<String, u32> = serde_json::from_str(&serde_json::to_string(&map).unwrap()).unwrap();
            let sorted: BTreeMap<_, _> = map.into_iter().collect();
            prop_assert_eq!(serde_json::to_string(&few).unwrap(), serde_json::to_string(&sorted).unwrap());
        }
    }

    #[test]
    fn an_entry_takes_the_room_of_one() {
        let mut few = Few::default();
        *few.entry(&1) = [0_u64; 8];
        assert_eq!(few.0.capacity(), 1);
    }
}
