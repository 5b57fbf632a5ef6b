//! Values of topics that are set to JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderstream_fuzz::targets;

fuzz_target!(|input: &[u8]| targets::in_json(input));
