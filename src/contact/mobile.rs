//! Mobile numbers in E.164 form, of the countries that the register sends text messages to.
//!
//! The countries' ranges are data ([`COUNTRIES`]): what the national numbering plans set aside for mobile telephones
//! and for premium services, as libphonenumber's metadata (9.0.33) gathers them; Norway's also from Nkom. Where a
//! plan sets a whole series aside, the whole series counts, whether its numbers are in use yet or not: a verification
//! code settles that, and a list that lags behind would shut people out.
//!
//! The `phonenumber` crate would know every country, but costs a function 2.8 MB, 110 ms at its first number and
//! 6 MB of memory; this table costs 14 kB and microseconds.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Digits of an international number, country code included (ITU-T E.164).
const MAX_DIGITS: usize = 15;
/// No mobile number in the world is shorter, country code included.
const MIN_DIGITS: usize = 7;

/// Country codes that ITU gives to satellite systems and to networks that no country supervises.
const SATELLITE: [&str; 4] = ["870", "881", "882", "883"];
/// The country code of international premium services.
const PREMIUM: &str = "979";

/// What the register knows of a country's numbering plan.
#[derive(Debug)]
struct Plan {
    /// ISO 3166-1 alpha-2.
    iso: &'static str,
    /// What follows the `+`.
    calling_code: &'static str,
    /// Fewest and most digits of a national mobile number.
    digits: (usize, usize),
    /// What national mobile numbers begin with, spaces between.
    mobile: &'static str,
    /// What national premium numbers begin with, spaces between.
    premium: &'static str,
}

/// Sorted by country. Svalbard is within `NO`, Åland within `FI`, Man and the Channel Islands within `GB`: they
/// share the calling code and the mobile series.
#[rustfmt::skip]
static COUNTRIES: [Plan; 13] = [
    Plan { iso: "DE", calling_code: "49", digits: (10, 11), mobile: "15 160 162 163 17", premium: "137 900" },
    // Since 2016 single blocks of Denmark's landline series are mobile: the prefixes of three digits.
    Plan { iso: "DK", calling_code: "45", digits: (8, 8), mobile: "2 30 31 40 41 42 50 51 52 53 60 61 71 81 91 92 93 \
        342 344 345 346 347 348 349 356 357 359 362 365 366 389 398 431 441 462 466 468 472 474 476 478 485 486 488 \
        489 493 494 495 496 498 499 542 543 545 551 552 556 571 572 573 574 577 579 584 586 587 589 597 598 627 629 \
        641 649 658 662 663 664 665 667 692 693 694 697 771 772 782 783 785 786 788 789 826 827 829", premium: "90" },
    Plan { iso: "EE", calling_code: "372", digits: (7, 8), mobile: "5 81 82 83 84 89", premium: "40 900" },
    Plan { iso: "FI", calling_code: "358", digits: (6, 10), mobile: "40 41 42 43 44 45 46 47 48 50", premium: "600 700" },
    Plan { iso: "FO", calling_code: "298", digits: (6, 6), mobile: "21 22 23 24 25 26 27 28 29 5 71 72 73 74 75 76 77 78 79 91 96", premium: "90" },
    // 70 is personal numbering; 76 is paging, but for Man's 7624.
    Plan { iso: "GB", calling_code: "44", digits: (10, 10), mobile: "71 72 73 74 75 7624 77 78 79", premium: "70 84 87 9" },
    Plan { iso: "GL", calling_code: "299", digits: (6, 6), mobile: "2 4 5", premium: "" },
    Plan { iso: "IS", calling_code: "354", digits: (7, 7), mobile: "6 7 82 83 84 85 86 88 89", premium: "90" },
    Plan { iso: "LT", calling_code: "370", digits: (8, 8), mobile: "6", premium: "90 91" },
    Plan { iso: "LV", calling_code: "371", digits: (8, 8), mobile: "2", premium: "90" },
    // The twelve digits of series 58 are machines'.
    Plan { iso: "NO", calling_code: "47", digits: (8, 8), mobile: "4 9", premium: "82" },
    Plan { iso: "PL", calling_code: "48", digits: (9, 9), mobile: "45 50 51 53 57 60 66 69 72 73 78 79 88", premium: "70" },
    Plan { iso: "SE", calling_code: "46", digits: (9, 9), mobile: "70 72 73 76 79", premium: "900 939 944 99" },
];

/// A country whose numbering plan the register knows.
#[derive(Clone, Copy)]
pub struct Country(&'static Plan);

impl Country {
    /// ISO 3166-1 alpha-2, e.g. `NO`.
    pub const fn code(self) -> &'static str {
        self.0.iso
    }

    /// All countries that a setting may name.
    pub fn all() -> impl Iterator<Item = Self> {
        COUNTRIES.iter().map(Self)
    }

    /// The country and the national number of an international number without its `+`.
    fn split(digits: &str) -> Option<(Self, &str)> {
        // Calling codes are prefix-free, so the first that fits is the only one.
        Self::all().find_map(|country| {
            let national = digits.strip_prefix(country.0.calling_code)?;
            Some((country, national))
        })
    }

    fn check(self, national: &str) -> Result<(), MobileError> {
        let Plan {
            digits: (fewest, most),
            mobile,
            premium,
            ..
        } = self.0;
        let begins = |prefixes: &str| {
            prefixes
                .split_ascii_whitespace()
                .any(|prefix| national.starts_with(prefix))
        };
        let may_become_mobile = || {
            mobile
                .split_ascii_whitespace()
                .any(|prefix| prefix.starts_with(national))
        };
        if begins(premium) {
            Err(MobileError::Premium)
        } else if begins(mobile) {
            match national.len() {
                digits if digits < *fewest => Err(MobileError::TooShort),
                digits if digits > *most => Err(MobileError::TooLong),
                _ => Ok(()),
            }
        } else if may_become_mobile() {
            Err(MobileError::TooShort)
        } else {
            Err(MobileError::NotMobile)
        }
    }
}

impl std::fmt::Debug for Country {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl PartialEq for Country {
    fn eq(&self, other: &Self) -> bool {
        self.code() == other.code()
    }
}

impl Eq for Country {}

/// A setting that names no countries that the register can send to.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum CountriesError {
    /// Nothing is named.
    #[error("name at least one country, e.g. `NO` or `NO,SE`")]
    Empty,
    /// No numbering plan of it is known here.
    #[error("`{0}` is no country code whose numbering plan is known here")]
    Unknown(String),
}

/// The countries whose numbers may be registered: text messages cost, and some countries' cost a fortune.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCountries(Vec<Country>);

impl AllowedCountries {
    /// Whether numbers of this country may be registered.
    pub fn contains(&self, country: Country) -> bool {
        self.0.contains(&country)
    }
}

impl FromStr for AllowedCountries {
    type Err = CountriesError;

    /// Reads ISO 3166-1 codes with commas between them, such as `NO` or `NO,SE`.
    fn from_str(setting: &str) -> Result<Self, Self::Err> {
        if setting.trim().is_empty() {
            return Err(CountriesError::Empty);
        }
        setting
            .split(',')
            .map(str::trim)
            .map(|code| {
                Country::all()
                    .find(|country| country.code() == code)
                    .ok_or_else(|| CountriesError::Unknown(code.to_owned()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Why a text is not a mobile number that may be registered. Never says which text.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum MobileError {
    /// U+0000, which no text in a request may hold.
    #[error("a mobile number holds no NUL")]
    IllegalCharacter,
    /// It does not begin with `+` and a country code.
    #[error("a mobile number begins with + and a country code")]
    NoCountryCode,
    /// Something else than ASCII digits after the `+`: spaces and hyphens too.
    #[error("a mobile number is + and digits only")]
    NotDigits,
    /// Too few digits.
    #[error("the number is too short")]
    TooShort,
    /// Too many digits.
    #[error("the number is too long")]
    TooLong,
    /// A landline, or another service that takes no text messages.
    #[error("the number is not a mobile number")]
    NotMobile,
    /// A number whose callers pay extra.
    #[error("the number is a premium number")]
    Premium,
    /// A satellite telephone or a network that belongs to no country.
    #[error("the number belongs to a satellite or global network")]
    Satellite,
    /// A country that text messages are not sent to.
    #[error("text messages are not sent to the number's country")]
    CountryNotAllowed,
}

/// A mobile number in E.164 form: `+`, country code, national number, no spaces.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(format = "mobile-number")]
pub struct MobileNumber(String);

crate::redacted_debug!(MobileNumber);

impl MobileNumber {
    /// Reads a number as a caller sent it; trims nothing and guesses no country.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str, allowed: &AllowedCountries) -> Result<Self, MobileError> {
        let digits = check_shape(text)?;
        if SATELLITE.iter().any(|code| digits.starts_with(code)) {
            return Err(MobileError::Satellite);
        }
        if digits.starts_with(PREMIUM) {
            return Err(MobileError::Premium);
        }
        let (country, national) = Country::split(digits)
            .filter(|(country, _)| allowed.contains(*country))
            .ok_or(MobileError::CountryNotAllowed)?;
        country.check(national)?;
        Ok(Self(text.to_owned()))
    }

    /// The number, e.g. `+46701740605`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number's country; none for a stored number of a country that the register no longer knows.
    pub fn country(&self) -> Option<Country> {
        let (country, _) = Country::split(self.0.strip_prefix('+')?)?;
        Some(country)
    }
}

/// The digits of a text that has the shape of an international number.
fn check_shape(text: &str) -> Result<&str, MobileError> {
    if text.contains('\0') {
        return Err(MobileError::IllegalCharacter);
    }
    let digits = text.strip_prefix('+').ok_or(MobileError::NoCountryCode)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MobileError::NotDigits);
    }
    // No country code begins with 0.
    if digits.is_empty() || digits.starts_with('0') {
        return Err(MobileError::NoCountryCode);
    }
    match digits.len() {
        ..MIN_DIGITS => Err(MobileError::TooShort),
        MIN_DIGITS..=MAX_DIGITS => Ok(digits),
        _ => Err(MobileError::TooLong),
    }
}

/// Reading back what was stored: which countries are allowed was checked when it came in, and may have changed.
impl TryFrom<String> for MobileNumber {
    type Error = MobileError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        check_shape(&text)?;
        Ok(Self(text))
    }
}

impl From<MobileNumber> for String {
    fn from(number: MobileNumber) -> Self {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowed(setting: &str) -> AllowedCountries {
        setting.parse().unwrap()
    }

    fn everywhere() -> AllowedCountries {
        AllowedCountries(Country::all().collect())
    }

    /// Numbers are put together from parts: no real one stands here.
    fn refusal(text: &str) -> Option<MobileError> {
        MobileNumber::parse(text, &everywhere()).err()
    }

    #[test]
    fn the_swedish_and_british_numbers_of_fiction_are_mobiles() {
        for last in 605..=699 {
            let text = format!("+46701740{last}");
            let number = MobileNumber::parse(&text, &allowed("NO,SE")).unwrap();
            assert_eq!(number.as_str(), text);
            assert_eq!(number.country().map(Country::code), Some("SE"));
        }
        for last in 0..1000 {
            let text = format!("+447700900{last:03}");
            assert_eq!(refusal(&text), None, "{text}");
        }
    }

    #[test]
    fn refused_and_why() {
        use MobileError as E;

        let landline = "+46846500400";
        let zeros = |prefix: &str, count: usize| format!("{prefix}{}", "0".repeat(count));
        let cases = [
            (String::new(), E::NoCountryCode),
            ("46701740605".into(), E::NoCountryCode),
            ("0701740605".into(), E::NoCountryCode),
            ("0046701740605".into(), E::NoCountryCode),
            (" +46701740605".into(), E::NoCountryCode),
            ("＋46701740605".into(), E::NoCountryCode), // full-width
            ("+".into(), E::NoCountryCode),
            ("+046701740605".into(), E::NoCountryCode),
            ("+46 70 174 06 05".into(), E::NotDigits),
            ("+46-701740605".into(), E::NotDigits),
            ("+46701740605 ".into(), E::NotDigits),
            ("+46701740605\n".into(), E::NotDigits),
            ("++46701740605".into(), E::NotDigits),
            ("+4670174O605".into(), E::NotDigits),
            ("+46７01740605".into(), E::NotDigits), // full-width
            ("+46٧01740605".into(), E::NotDigits),  // Arabic-Indic
            ("+46701740605;ext=1".into(), E::NotDigits),
            ("+46701740605\0".into(), E::IllegalCharacter),
            ("\0".into(), E::IllegalCharacter),
            ("+46".into(), E::TooShort),
            ("+4670174060".into(), E::TooShort),
            ("+467017406".into(), E::TooShort),
            ("+467017406050".into(), E::TooLong),
            (zeros("+467", 14), E::TooLong),
            (zeros("+4", 15), E::TooLong),
            (landline.into(), E::NotMobile),
            (landline.replace("400", "499"), E::NotMobile),
            (zeros("+472", 7), E::NotMobile),
            (zeros("+4758", 10), E::NotMobile),
            (zeros("+4480", 8), E::NotMobile),
            (zeros("+4482", 8), E::NotMobile),
            (zeros("+47820", 5), E::Premium),
            (zeros("+47829", 5), E::Premium),
            (zeros("+46900", 6), E::Premium),
            (zeros("+46939", 6), E::Premium),
            (zeros("+4490", 8), E::Premium),
            (zeros("+4470", 8), E::Premium),
            (zeros("+979", 9), E::Premium),
            (zeros("+870", 9), E::Satellite),
            (zeros("+8816", 8), E::Satellite),
            (zeros("+88216", 8), E::Satellite),
            (zeros("+8835", 9), E::Satellite),
            // Countries that no setting may name, and codes that are none.
            (zeros("+1", 10), E::CountryNotAllowed),
            (zeros("+7", 10), E::CountryNotAllowed),
            (zeros("+800", 8), E::CountryNotAllowed),
            (zeros("+999", 9), E::CountryNotAllowed),
        ];
        for (text, error) in cases {
            assert_eq!(refusal(&text), Some(error), "{text:?}");
        }
    }

    #[test]
    fn a_country_outside_the_setting_is_refused_whatever_the_number_is() {
        for text in ["+46701740605", "+46846500400", "+447700900123"] {
            assert_eq!(
                MobileNumber::parse(text, &allowed("NO")),
                Err(MobileError::CountryNotAllowed)
            );
        }
        assert!(MobileNumber::parse("+46701740605", &allowed("SE")).is_ok());
    }

    #[test]
    fn the_setting_names_known_countries() {
        assert_eq!(allowed("NO,SE"), allowed("NO, SE"));
        assert_eq!("".parse::<AllowedCountries>(), Err(CountriesError::Empty));
        for (setting, code) in [
            ("NO,XX", "XX"),
            ("no", "no"),
            ("NO,", ""),
            ("NO;SE", "NO;SE"),
            ("47", "47"),
        ] {
            assert_eq!(
                setting.parse::<AllowedCountries>(),
                Err(CountriesError::Unknown(code.to_owned()))
            );
        }
    }

    #[test]
    fn the_data_hold_together() {
        for (at, plan) in COUNTRIES.iter().enumerate() {
            for (other_at, other) in COUNTRIES.iter().enumerate().filter(|(other, _)| *other != at) {
                assert!(!plan.calling_code.starts_with(other.calling_code), "{}", plan.iso);
                assert_eq!(plan.iso < other.iso, at < other_at, "{} and {}", plan.iso, other.iso);
            }
            for mobile in plan.mobile.split(' ') {
                assert!(mobile.parse::<u32>().is_ok(), "{} {mobile}", plan.iso);
                // Nothing is both, and no prefix says what a shorter one says already.
                let within = |prefixes: &str| {
                    prefixes
                        .split_ascii_whitespace()
                        .filter(|prefix| mobile.starts_with(prefix))
                        .count()
                };
                assert_eq!(within(plan.premium), 0, "{} {mobile}", plan.iso);
                assert_eq!(within(plan.mobile), 1, "{} {mobile}", plan.iso);
            }
            assert!(plan.digits.0 <= plan.digits.1);
            assert!(plan.calling_code.len() + plan.digits.0 >= MIN_DIGITS);
            assert!(plan.calling_code.len() + plan.digits.1 <= MAX_DIGITS);
        }
    }

    #[test]
    fn a_stored_number_outlives_its_country() {
        let stored = |text: &str| serde_json::from_value::<MobileNumber>(text.into());
        let number = stored("+99912345678").unwrap();
        assert_eq!(number.country(), None);
        assert_eq!(serde_json::to_value(&number).unwrap(), "+99912345678");
        for broken in ["", "46701740605", "+46 701740605", "+4670"] {
            assert!(stored(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn debug_and_errors_do_not_repeat_the_number() {
        let number = MobileNumber::parse("+46701740605", &everywhere()).unwrap();
        assert!(!format!("{number:?}").contains("701740605"));
        let error = serde_json::from_str::<MobileNumber>("\"46701740605\"").unwrap_err();
        assert!(!error.to_string().contains("701740605"), "{error}");
    }

    proptest! {
        #[test]
        fn norwegian_mobiles_begin_with_4_or_9(first in 0..10_u32, rest in 0..10_000_000_u32) {
            let text = format!("+47{first}{rest:07}");
            match MobileNumber::parse(&text, &allowed("NO")) {
                Ok(number) => {
                    prop_assert!(first == 4 || first == 9);
                    prop_assert_eq!(number.as_str(), text.as_str());
                    prop_assert_eq!(number.country().map(Country::code), Some("NO"));
                    let stored = serde_json::to_string(&number).unwrap();
                    prop_assert_eq!(serde_json::from_str::<MobileNumber>(&stored).unwrap(), number);
                    // One digit more or less is no number.
                    prop_assert_eq!(refusal(&format!("{text}0")), Some(MobileError::TooLong));
                    prop_assert_eq!(refusal(&text[..text.len() - 1]), Some(MobileError::TooShort));
                }
                Err(error) => {
                    prop_assert!(first != 4 && first != 9);
                    let premium = first == 8 && rest / 1_000_000 == 2;
                    prop_assert_eq!(error == MobileError::Premium, premium);
                }
            }
        }

        #[test]
        fn what_is_accepted_is_e164_of_an_allowed_country(text in "\\+?(47|46|44|45|1|881)?[0-9]{0,16}|\\PC{0,12}") {
            if let Ok(number) = MobileNumber::parse(&text, &everywhere()) {
                prop_assert_eq!(number.as_str(), text.as_str());
                prop_assert!(number.country().is_some());
                prop_assert!(text.len() <= 1 + MAX_DIGITS);
            }
        }
    }
}
