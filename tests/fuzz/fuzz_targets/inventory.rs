//! Bodies of the inventory topic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderstream_fuzz::order::Source;
use orderstream_fuzz::targets;

fuzz_target!(|input: &[u8]| targets::decode(Source::Inventory, input));
