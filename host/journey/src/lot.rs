//! Lots that people draw: the same person at the same place of the same canvas always draws the same one, whatever the
//! version, the host or the day. Nothing is stored for it.
use caravan_model::{CanvasId, Digest};

/// A person's lot at a place of a canvas: evenly spread over all 64-bit numbers, and independent of their lots elsewhere.
/// A place is a step's id, or a name that no step can have.
pub fn lot(canvas: &CanvasId, place: &str, external_id: &str) -> u64 {
    let text = [canvas.as_str(), place, external_id].join("\0");
    let Digest(bytes) = Digest::of(text.as_bytes());
    bytes.iter().take(8).fold(0, |lot, byte| lot << 8 | u64::from(*byte))
}

/// Which of several shares a lot falls into: they lie one behind the other, each as wide as its weight. `None` where all
/// weights are 0.
pub fn share_of(lot: u64, weights: impl Iterator<Item = u32> + Clone) -> Option<usize> {
    let total: u64 = weights.clone().map(u64::from).sum();
    let place = (u128::from(lot) * u128::from(total)) >> 64;
    let mut end = 0;
    weights.into_iter().position(|weight| {
        end += u128::from(weight);
        place < end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_fall_into_shares_as_wide_as_their_weights() {
        let share = |lot| share_of(lot, [1, 0, 3].into_iter());
        assert_eq!([share(0), share(u64::MAX / 4), share(u64::MAX / 4 + 1)], [Some(0), Some(0), Some(2)]);
        assert_eq!((share(u64::MAX), share_of(7, [0, 0].into_iter())), (Some(2), None));
        let most = [u32::MAX; 3];
        assert_eq!(share_of(u64::MAX, most.into_iter()), Some(2));
    }

    #[test]
    fn a_lot_is_the_same_for_ever() {
        let canvas = CanvasId::new("win-back").unwrap();
        // Changing this would send people another way than yesterday.
        assert_eq!(lot(&canvas, "split", "u-1"), LOT);
        assert_ne!(lot(&canvas, "split", "u-2"), LOT);
        assert_ne!(lot(&canvas, "other", "u-1"), LOT);
    }

    const LOT: u64 = 0x9193_93c5_99c3_4967;
}
