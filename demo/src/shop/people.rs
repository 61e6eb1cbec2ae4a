//! Who shops and what for. A person and a product follow from a number, so that user 4711 and product 17 are the same each time.

use super::dice::{Dice, mix};

/// Users with an account.
const USERS: u64 = 180_000;
/// Products on sale.
const PRODUCTS: u64 = 24_000;

/// A visitor and what they came with.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) user: Option<u64>,
    pub(super) session: String,
    pub(super) ip: String,
    pub(super) agent: String,
    pub(super) country: &'static str,
    pub(super) currency: &'static str,
    pub(super) mobile: bool,
}

impl Person {
    pub(super) fn random(dice: &mut Dice) -> Self {
        const COUNTRIES: [(&str, &str); 10] = [
            ("DE", "EUR"),
            ("FR", "EUR"),
            ("GB", "GBP"),
            ("US", "USD"),
            ("PL", "PLN"),
            ("NL", "EUR"),
            ("SE", "SEK"),
            ("CH", "CHF"),
            ("IT", "EUR"),
            ("JP", "JPY"),
        ];
        let (country, currency) = COUNTRIES[dice.weighted(&[30, 14, 12, 10, 8, 8, 5, 4, 6, 3])];
        let mobile = dice.chance(0.4);
        Self {
            user: dice.chance(0.7).then(|| dice.popular(USERS)),
            session: dice.uuid(),
            ip: format!(
                "{}.{}.{}.{}",
                dice.pick(&[31, 46, 77, 84, 91, 178, 203]),
                dice.below(256),
                dice.below(256),
                dice.between(1, 254)
            ),
            agent: agent(dice, mobile),
            country,
            currency,
            mobile,
        }
    }

    /// The account's id as the services write it.
    pub(super) fn user_id(&self) -> Option<String> {
        self.user.map(|number| format!("u-{:07}", number * 37 + 1_000_003))
    }
}

fn agent(dice: &mut Dice, mobile: bool) -> String {
    let major = dice.between(128, 142);
    let build = format!("{major}.0.{}.{}", dice.between(6_000, 7_444), dice.below(180));
    if mobile {
        return match dice.weighted(&[5, 3, 2]) {
            0 => format!(
                "ShopApp/{}.{}.{} (iPhone; iOS 18.{})",
                dice.between(7, 9),
                dice.below(12),
                dice.below(4),
                dice.below(7)
            ),
            1 => format!("ShopApp/{}.{}.{} (Android 16; Pixel 9)", dice.between(7, 9), dice.below(12), dice.below(4)),
            _ => format!(
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{build} Mobile Safari/537.36"
            ),
        };
    }
    match dice.weighted(&[60, 20, 15, 5]) {
        0 => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{build} Safari/537.36"
        ),
        1 => format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.{} Safari/605.1.15",
            dice.below(7)
        ),
        2 => format!("Mozilla/5.0 (X11; Linux x86_64; rv:{major}.0) Gecko/20100101 Firefox/{major}.0"),
        _ => "Mozilla/5.0 (compatible; PriceBot/2.1; +https://pricebot.example/about)".to_owned(),
    }
}

/// Something on sale.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) slug: String,
    pub(super) category: &'static str,
    pub(super) cents: i64,
}

const ADJECTIVES: [&str; 24] = [
    "Alpine",
    "Copper",
    "Folding",
    "Nordic",
    "Quiet",
    "Solar",
    "Vintage",
    "Woven",
    "Compact",
    "Ceramic",
    "Linen",
    "Heavy",
    "Bright",
    "Urban",
    "Classic",
    "Merino",
    "Oak",
    "Slim",
    "Double",
    "Insulated",
    "Ribbed",
    "Matte",
    "Garden",
    "Travel",
];
const THINGS: [(&str, &str); 24] = [
    ("Kettle", "kitchen"),
    ("Backpack", "outdoor"),
    ("Lamp", "living"),
    ("Jacket", "clothing"),
    ("Keyboard", "office"),
    ("Bottle", "outdoor"),
    ("Chair", "living"),
    ("Blanket", "living"),
    ("Headphones", "audio"),
    ("Notebook", "office"),
    ("Tent", "outdoor"),
    ("Teapot", "kitchen"),
    ("Boots", "clothing"),
    ("Speaker", "audio"),
    ("Desk", "office"),
    ("Pan", "kitchen"),
    ("Sweater", "clothing"),
    ("Mirror", "living"),
    ("Grinder", "kitchen"),
    ("Monitor", "office"),
    ("Hammock", "outdoor"),
    ("Scarf", "clothing"),
    ("Turntable", "audio"),
    ("Planter", "garden"),
];

/// The product of a number.
pub(super) fn product(number: u64) -> Product {
    let facts = mix(0x5eed, number);
    let adjective = ADJECTIVES[(facts % 24) as usize];
    let (thing, category) = THINGS[(facts / 24 % 24) as usize];
    Product {
        id: format!("{}{}{}-{:05}", letter(facts >> 8), letter(facts >> 16), letter(facts >> 24), number + 10_000),
        name: format!("{adjective} {thing}"),
        slug: format!("{}-{}-{}", adjective.to_lowercase(), thing.to_lowercase(), number + 10_000),
        category,
        cents: (facts >> 32) as i64 % 24_000 + 395,
    }
}

fn letter(number: u64) -> char {
    char::from(b'A' + (number % 26) as u8)
}

/// A product that someone looks at. Some sell much more than others.
pub(super) fn any_product(dice: &mut Dice) -> Product {
    product(dice.popular(PRODUCTS))
}

/// What someone types into the search box.
pub(super) fn search_words(dice: &mut Dice) -> String {
    let (thing, category) = dice.pick(&THINGS);
    let adjective = dice.pick(&ADJECTIVES);
    let words = match dice.below(5) {
        0 => thing.to_owned(),
        1 => format!("{adjective} {thing}"),
        2 => format!("{thing} {category}"),
        3 => format!("{thing} under {}", dice.between(2, 20) * 10),
        _ => format!(
            "{adjective} {thing} {}",
            dice.pick(&["blue", "black", "large", "small", "gift", "set of 2", "sale"])
        ),
    };
    words.to_lowercase()
}
