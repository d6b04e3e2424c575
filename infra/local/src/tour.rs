//! What the stack prints when it is ready: commands that work when pasted, in this order.

/// The tour on a stack at `url`.
pub(crate) fn text(url: &str) -> String {
    include_str!("tour.txt").replace("{url}", url)
}
