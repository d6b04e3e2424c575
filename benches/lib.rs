//! What is measured: `cargo bench -p benches`. Figures are ratios within one run; machines differ.
