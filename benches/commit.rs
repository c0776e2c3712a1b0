//! Durable appends, beside a plain write and sync of the same bytes: `cargo bench --bench commit`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    missing_docs,
    reason = "a benchmark"
)]

use correlated::model::{Millis, Seq};
use correlated::store::Store;
use correlated::store::sqlite::{Options, SqliteStore};
use std::io::Write;
use std::time::Instant;

const ROUNDS: u64 = 300;

fn main() {
    let folder = std::env::temp_dir().join(format!("correlated-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut store = SqliteStore::new(Options::new(&folder)).unwrap();
    let epoch = store.open().unwrap().epoch;
    let mut plain = std::fs::File::create(folder.join("plain")).unwrap();
    let mut seq = Seq(0);
    for bytes in [256usize, 1 << 10, 32 << 10, 256 << 10] {
        let body: Vec<u8> = (0..bytes)
            .map(|n| u8::try_from(n * 31 % 251).unwrap())
            .collect();
        let (mut ours, mut bare) = (0u128, 0u128);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            seq = seq.next();
            store.append(seq, epoch, Millis(0), &body).unwrap();
            ours += begun.elapsed().as_nanos();
            let begun = Instant::now();
            plain.write_all(&body).unwrap();
            plain.sync_data().unwrap();
            bare += begun.elapsed().as_nanos();
        }
        println!(
            "{bytes} bytes: {:.0} us per append, {:.2} times a plain write and sync",
            ours as f64 / ROUNDS as f64 / 1000.0,
            ours as f64 / bare as f64
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
