//! Values and headers, before their body is looked at.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderstream_fuzz::targets;

fuzz_target!(|input: &[u8]| targets::framing(input));
