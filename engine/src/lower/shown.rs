//! Options' values as they would be written in their file.

use crate::inputs::RejectMode;
use crate::model::Setting;
use crate::model::options::{CtHelper, Enable, LogLevel, Rate};
use crate::model::rule::Action;
use crate::span::Spanned;

/// Something that an option holds.
pub(super) trait Shown {
    /// As it would be written; `None`: there is nothing to write.
    fn shown(&self) -> Option<String>;
}

impl<T: Shown> Shown for Setting<T> {
    fn shown(&self) -> Option<String> {
        self.value.shown()
    }
}

impl<T: Shown> Shown for Option<Spanned<T>> {
    fn shown(&self) -> Option<String> {
        self.as_ref()?.value.shown()
    }
}

impl Shown for bool {
    fn shown(&self) -> Option<String> {
        Some(u8::from(*self).to_string())
    }
}

impl Shown for u32 {
    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Shown for u64 {
    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Shown for Option<u64> {
    fn shown(&self) -> Option<String> {
        self.as_ref()?.shown()
    }
}

impl Shown for Enable {
    fn shown(&self) -> Option<String> {
        Some(match self {
            Enable::Off => "0".to_owned(),
            Enable::On => "1".to_owned(),
            Enable::Until(time_s) => time_s.to_string(),
        })
    }
}

impl Shown for Action {
    fn shown(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }
}

impl Shown for RejectMode {
    fn shown(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }
}

impl Shown for Option<LogLevel> {
    fn shown(&self) -> Option<String> {
        let word = |level| LogLevel::WORDS.iter().find(|(_, known)| *known == level).map(|(word, _)| *word);
        Some(self.map_or(Some("nolog"), word)?.to_owned())
    }
}

impl Shown for Option<Rate> {
    fn shown(&self) -> Option<String> {
        Some(match self {
            None => "0".to_owned(),
            Some(Rate { rate, unit, burst }) => {
                format!("enable=1,rate={rate}/{},burst={burst}", unit.as_str())
            }
        })
    }
}

impl Shown for Vec<&'static CtHelper> {
    fn shown(&self) -> Option<String> {
        let names: Vec<&str> = self.iter().map(|helper| helper.name).collect();
        (!names.is_empty()).then(|| names.join(","))
    }
}

impl Shown for Option<Vec<u16>> {
    fn shown(&self) -> Option<String> {
        let codes: Vec<String> = self.as_ref()?.iter().map(|code| format!("{code:04x}")).collect();
        Some(codes.join(","))
    }
}
