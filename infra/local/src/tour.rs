//! What the stack prints when it is ready: commands that work when pasted, in this order.

/// The tour on a stack at `url`, whose buckets are at `s3`.
pub(crate) fn text(url: &str, s3: &str) -> String {
    include_str!("tour.txt").replace("{url}", url).replace("{s3}", s3)
}
