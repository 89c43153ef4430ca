//! kill -9 at any moment, then the same command again: nobody lost, nobody doubled, order kept.
//!
//! [`calm`] compares one canvas that is killed with the same one that is not; [`story`] goes through months of errands
//! under faults, with an oracle ([`books`]) that knows what must stand at the partners and in the books after each.
mod books;
mod calm;
mod dice;
mod errand;
mod story;

use story::Story;

#[test]
fn two_hundred_kills_lose_nobody_double_nobody_and_keep_the_order() {
    let kills = if std::env::var_os("CARAVAN_TEST_FULL").is_some() { 2_000 } else { 200 };
    let mut story = Story::begin(dice::seed());
    while story.killed < kills {
        story.chapter();
    }
    story.end();
}
