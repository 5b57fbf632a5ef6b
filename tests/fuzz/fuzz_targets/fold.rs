//! Events of one order, heard in many ways.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderstream_fuzz::targets;

fuzz_target!(|input: &[u8]| targets::fold(input));
