//! Who a member is, and which cluster it belongs to: numbers that all members of a static cluster compute alike,
//! without talking to each other.
//!
//! A member's id is a hash of its peer URLs and the cluster's token; the cluster's id is a hash of its members' ids.
//! etcd does the same, with SHA-1. These numbers are written into data directories, so **the hash must never change**:
//! it is written out here rather than taken from a library, and the tests hold it to fixed vectors.
//!
//! The hash is FNV-1a in 64 bits, whose last step is the finaliser of SplitMix64, since plain FNV leaves the high
//! bits of short texts alike. It keeps honest configurations apart; against somebody who makes URLs collide on purpose
//! it is no defence, nor need it be: whoever writes the configuration owns the cluster. Should two members of one
//! configuration collide nevertheless, `validate.rs` refuses to start and asks for another token.

use std::collections::BTreeSet;

use raftwright::raft::NodeId;

use crate::urls::Url;

/// The token of a cluster that was given none, as with etcd.
pub const DEFAULT_TOKEN: &str = "etcd-cluster";

/// The id of the member that others reach at `peer_urls`, in the cluster that bears `token`. The order of the URLs
/// does not matter. Never zero, which stands for "no member" on etcd's wire.
pub fn member_id(peer_urls: &[Url], token: &str) -> NodeId {
    let mut urls: Vec<String> = peer_urls.iter().map(Url::to_string).collect();
    urls.sort();
    let mut fields: Vec<&[u8]> = vec![b"member"];
    fields.extend(urls.iter().map(|url| url.as_bytes()));
    fields.push(token.as_bytes());
    NodeId(nonzero_hash(&fields))
}

/// The id of the cluster that begins with these members. Never zero.
pub fn cluster_id(members: &BTreeSet<NodeId>) -> u64 {
    let ids: Vec<[u8; 8]> = members.iter().map(|id| id.0.to_le_bytes()).collect();
    let mut fields: Vec<&[u8]> = vec![b"cluster"];
    fields.extend(ids.iter().map(|id| id.as_slice()));
    nonzero_hash(&fields)
}

/// One hash over several fields, each preceded by its length, so that `ab, c` and `a, bc` differ.
fn nonzero_hash(fields: &[&[u8]]) -> u64 {
    let mut fnv = Fnv1a::new();
    for field in fields {
        fnv.write(&(field.len() as u64).to_le_bytes());
        fnv.write(field);
    }
    never_zero(mix(fnv.0))
}

/// One hash in 2^64 has to share its number with another.
fn never_zero(hash: u64) -> u64 {
    hash.max(1)
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv).
struct Fnv1a(u64);

impl Fnv1a {
    fn new() -> Fnv1a {
        Fnv1a(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The finaliser of SplitMix64: a bijection in which each bit of the input reaches every bit of the output.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(text: &str) -> Vec<Url> {
        Url::parse_list(text).expect("the test's URLs are URLs")
    }

    #[test]
    fn fnv_agrees_with_its_published_vectors() {
        let fnv = |text: &str| {
            let mut fnv = Fnv1a::new();
            fnv.write(text.as_bytes());
            fnv.0
        };
        assert_eq!(fnv(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_mix_agrees_with_splitmix64() {
        // The first output of SplitMix64 seeded with 0 is the finaliser of its increment.
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0), 0);
    }

    #[test]
    fn ids_are_what_they_have_always_been() {
        let token = DEFAULT_TOKEN;
        let ids = [2380, 22380, 32380].map(|port| member_id(&[Url::loopback(port)], token));
        assert_eq!(ids, [0xb33e_57d3_7a66_279f, 0x5486_e913_c1a7_3442, 0xa1e5_c1ba_2a17_3033].map(NodeId));
        assert_eq!(cluster_id(&BTreeSet::from(ids)), 0x9131_0347_0b87_ad15);
        assert_eq!(member_id(&urls("http://localhost:2380"), token), NodeId(0x3bd4_69b7_a934_83b4));
        assert_eq!(
            member_id(&urls("http://10.0.0.1:2380,http://[::1]:2380"), "a token"),
            NodeId(0xb8d4_9db8_e71c_e57f)
        );
    }

    #[test]
    fn the_order_of_the_urls_does_not_matter_and_everything_else_does() {
        let (a, b) = (Url::loopback(1), Url::loopback(2));
        let id = member_id(&[a.clone(), b.clone()], "t");
        assert_eq!(member_id(&[b.clone(), a.clone()], "t"), id);
        assert_ne!(member_id(std::slice::from_ref(&a), "t"), id);
        assert_ne!(member_id(&[a.clone(), b.clone()], "u"), id);
        assert_ne!(member_id(&[b], "t"), member_id(&[a], "t"));
    }

    #[test]
    fn no_id_is_zero_and_fields_do_not_run_together() {
        assert_eq!((never_zero(0), never_zero(1), never_zero(u64::MAX)), (1, 1, u64::MAX));
        assert_ne!(nonzero_hash(&[b"ab", b"c"]), nonzero_hash(&[b"a", b"bc"]));
        assert_ne!(nonzero_hash(&[b"ab"]), nonzero_hash(&[b"ab", b""]));
        let clusters = (1..100_u64).map(|n| cluster_id(&(1..=n).map(NodeId).collect()));
        assert_eq!(clusters.collect::<BTreeSet<_>>().len(), 99);
    }
}
