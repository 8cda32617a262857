//! Remarks about the configuration: stable code, place, what was found, what follows, what helps.

use crate::span::{FileId, Sources, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is lost.
    Info,
    /// Something is done otherwise than one may think.
    Warning,
    /// A unit is lost.
    Error,
}

impl Severity {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Where a diagnostic points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Bytes of a file.
    Span(Span),
    /// A whole file (machine-written JSON, an unreadable file).
    File(FileId),
    /// The host itself: no file is at fault.
    Host,
}

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about; stable.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What was found, lower case, no full stop: "no alias `dc/web`".
    pub message: String,
    /// What follows from it: "rule is skipped".
    pub consequence: &'static str,
    /// What to do about it, where that can be said.
    pub remedy: Option<String>,
}

impl Diagnostic {
    /// A remark without remedy.
    pub fn new(
        code: Code,
        place: Place,
        message: impl Into<String>,
        consequence: &'static str,
    ) -> Diagnostic {
        Diagnostic { code, place, message: message.into(), consequence, remedy: None }
    }

    /// Adds what helps.
    pub fn help(mut self, remedy: impl Into<String>) -> Diagnostic {
        self.remedy = Some(remedy.into());
        self
    }

    /// One line: `path:line:column: error[R017]: found; consequence`.
    pub fn line(&self, sources: &Sources) -> String {
        let severity = self.code.severity().as_str();
        let id = self.code.id();
        let place = match self.place {
            Place::Span(span) => {
                let at = sources.position(span);
                format!("{}:{}:{}: ", at.path, at.line, at.column)
            }
            Place::File(file) => format!("{}: ", sources.path(file)),
            Place::Host => String::new(),
        };
        format!("{place}{severity}[{id}]: {}; {}", self.message, self.consequence)
    }
}

macro_rules! codes {
    ($($name:ident $id:literal $severity:ident $meaning:literal;)*) => {
        /// Every kind of remark. The ids are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $meaning] $name,)* }

        impl Code {
            /// All codes, in the order of their ids.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The stable id.
            pub fn id(self) -> &'static str {
                match self { $(Code::$name => $id,)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// What it stands for.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    EntryOutsideSection "L001" Error "entry outside any section";
    BadHeader "L002" Error "section header not recognised or malformed";
    SectionNotAllowed "L003" Error "section not allowed in this kind of file";
    BadSectionName "L004" Error "section name violates the name grammar or length";
    SectionRedefined "L005" Warning "IPSet or group defined again; earlier content discarded";
    CommentEncoding "L006" Info "invalid UTF-8 in a comment";
    ByteOrderMark "L007" Info "byte order mark removed";
    FileUnreadable "L008" Error "file could not be read";
    SectionNameLong "L009" Warning "group name longer than the 18 characters of the classic firewall";
    OptionMalformed "O001" Error "option line without colon or key";
    OptionUnknown "O002" Warning "unknown option";
    OptionValue "O003" Error "value not legal for the option";
    OptionRepeated "O004" Warning "option repeated; last value used";
    OptionNoEffect "O005" Info "option known but without effect here";
    AliasMalformed "A001" Error "alias line malformed";
    AliasName "A002" Error "alias name violates the grammar";
    AliasAddress "A003" Error "alias address invalid";
    AliasRedefined "A004" Warning "alias defined again; last used";
    EntryMalformed "S001" Error "set entry malformed";
    EntryAddress "S002" Error "set entry address invalid or of a form not allowed in sets";
    EntryUnresolved "S003" Error "set entry names an alias that does not resolve";
    EntryRepeated "S004" Warning "set entry repeats an address";
    EntryZeroPrefix "S005" Error "set entry with zero prefix";
    RuleHead "R001" Error "no direction or no action";
    DirectionUnknown "R002" Error "unknown direction";
    DirectionNotAllowed "R003" Error "direction not allowed in this context";
    ActionUnknown "R004" Error "unknown action";
    ParameterUnknown "R006" Error "unknown parameter, missing value or stray text";
    ParameterRepeated "R007" Warning "parameter repeated; last used";
    GroupParameter "R008" Error "parameter not allowed on a GROUP rule";
    GroupName "R009" Error "group name violates the grammar";
    GroupMissing "R010" Error "group does not exist";
    GroupNested "R011" Error "GROUP inside a group";
    InterfaceInvalid "R012" Error "interface name invalid for the context";
    InterfaceNotAllowed "R013" Error "`-i` not allowed in this context or direction";
    MacroUnknown "R014" Error "unknown macro";
    MacroContradiction "R015" Error "rule parameter contradicts the macro";
    ProtocolUnknown "R016" Error "unknown protocol";
    PortsWithoutProtocol "R017" Error "ports without protocol";
    PortsNotSupported "R018" Error "ports with a protocol that has none";
    PortListInvalid "R019" Error "port list invalid";
    IcmpWithoutProtocol "R020" Error "ICMP type without ICMP protocol";
    IcmpTypeInvalid "R021" Error "ICMP type invalid for the family";
    IcmpTypeTwice "R022" Error "ICMP type given twice";
    AddressInvalid "R023" Error "address specification invalid";
    FamilyContradiction "R024" Error "address families contradict each other";
    AliasUnresolved "R025" Error "alias does not resolve";
    IpsetUnresolved "R026" Error "IPSet does not resolve";
    LogLevelInvalid "R027" Error "log level invalid";
    NameTooLong "R028" Error "name too long";
    RuleEncoding "R029" Error "control character or non-ASCII text outside a comment";
    RuleInert "R030" Warning "rule can never match";
    DeviceMalformed "G001" Error "device line cannot be split into properties";
    DeviceIndex "G002" Warning "device index out of range";
    DeviceProperty "G003" Warning "device property unknown or odd, ignored";
    DeviceMac "G004" Error "device has no usable MAC address";
    DeviceAddress "G005" Error "device address unusable, ignored";
    GuestConfigMissing "G006" Warning "guest has a firewall file but no configuration here";
    GuestListEntry "G007" Warning "entry of the guest list unusable";
    SdnObject "N001" Warning "SDN or IPAM object skipped";
    VnetName "N002" Error "VNet file name is not a usable bridge name";
    CorosyncAddress "N003" Warning "address of a corosync peer cannot be resolved";
    MacDuplicate "H001" Warning "two NICs on one bridge have the same MAC address";
    KernelFeature "H002" Error "the kernel lacks what a table needs";
    FirewallBridgeMissing "H003" Warning "a NIC has no firewall bridge, which reject mode fwbr needs";
    Opens "opens" Error "a skipped rule or set entry opens what a later ACCEPT covers";
    StrictHolds "strict" Error "strict: the scope keeps its last error-free version";
}
