//! One colour for each service of a page, the same on every page where it can be.

use std::collections::HashMap;

/// Colours in the style sheet: classes `c0` to `c11`.
pub(crate) const COLOURS: usize = 12;

/// Which colour a service has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Palette(HashMap<String, usize>);

impl Palette {
    /// Gives every service the colour its name stands for; of two that share one, the later takes the next free colour.
    pub(crate) fn of<'a>(services: impl IntoIterator<Item = &'a str>) -> Self {
        let mut taken = [false; COLOURS];
        let mut colours: HashMap<String, usize> = HashMap::new();
        for service in services {
            if colours.contains_key(service) {
                continue;
            }
            let wish = wish(service);
            let free = (0..COLOURS).map(|step| (wish + step * 5) % COLOURS).find(|colour| !taken[*colour]);
            let colour = free.unwrap_or(wish);
            taken[colour] = true;
            colours.insert(service.to_owned(), colour);
        }
        Self(colours)
    }

    /// The index of a service's colour.
    pub(crate) fn colour(&self, service: &str) -> usize {
        self.0.get(service).copied().unwrap_or_else(|| wish(service))
    }
}

fn wish(service: &str) -> usize {
    let hash = service
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    ((hash >> 32) % COLOURS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_services_as_colours_are_told_apart() {
        let names: Vec<String> = (0..COLOURS).map(|number| format!("service-{number}")).collect();
        let palette = Palette::of(names.iter().map(String::as_str));
        let mut colours: Vec<usize> = names.iter().map(|name| palette.colour(name)).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), COLOURS);
        assert_eq!(Palette::default().colour("cart"), Palette::of(["cart"]).colour("cart"));
    }
}
