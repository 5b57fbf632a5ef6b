//! Where a key's records go when their producer partitions as Java does: murmur2 of the key, as in Kafka's own `Utils.murmur2`.
//!
//! Used only to move orders to other lanes when partitions were added. Nothing on the path depends on it: an event's lane is
//! the partition that it came through.

use crate::ids::Lane;

/// The partition of a key among so many.
#[must_use]
pub fn partition_of(key: &str, partitions: i32) -> Lane {
    Lane((murmur2(key.as_bytes()) & 0x7fff_ffff).cast_signed() % partitions.max(1))
}

/// Austin Appleby's MurmurHash2, 32 bits, with Kafka's seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Only the low 32 bits of the length count, as in Java.
    #[expect(clippy::cast_possible_truncation, reason = "keys are at most 128 bytes, and Java's length is an int")]
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().expect("chunks of four")).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of Kafka's own `UtilsTest`.
    #[test]
    fn a_key_is_hashed_as_java_hashes_it() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_key_is_where_the_golden_vectors_say() {
        let vectors: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/golden/partitions.json")).expect("vectors are JSON");
        for vector in &vectors {
            for (count, partition) in vector["partitions"].as_object().expect("by how many there are") {
                let found = partition_of(vector["key"].as_str().expect("a key"), count.parse().expect("a number"));
                assert_eq!(Some(i64::from(found.0)), partition.as_i64(), "{vector}");
            }
        }
    }

    #[test]
    fn a_partition_is_one_of_those_there_are() {
        for partitions in 1..20 {
            let lane = partition_of("ord-1", partitions);
            assert!((0..partitions).contains(&lane.0));
        }
    }
}
