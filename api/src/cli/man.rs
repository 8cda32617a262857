//! `man`: the manual page, out of the definition of the arguments; commands follow as sections, and after them what no
//! argument tells.

use clap::CommandFactory;
use clap_mangen::Man;

use super::output::print;
use super::{Cli, Outcome};

/// Sections that the arguments do not tell: name and text.
const SECTIONS: &[(&str, &str)] = &[
    ("FILES", include_str!("man/files.roff")),
    ("SIGNALS", include_str!("man/signals.roff")),
    ("ENVIRONMENT", include_str!("man/environment.roff")),
    ("EXIT STATUS", include_str!("man/exit-status.roff")),
    ("EXAMPLES", include_str!("man/examples.roff")),
    ("SEE ALSO", include_str!("man/see-also.roff")),
];

pub(super) fn run() -> anyhow::Result<Outcome> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut text = Vec::new();
    let man = Man::new(command.clone()).section("8");
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    for sub in command.get_subcommands() {
        text.extend(format!(".SH {}\n", sub.get_name().to_uppercase()).bytes());
        text.extend(format!("{}\n", sub.get_about().map(ToString::to_string).unwrap_or_default()).bytes());
        let man = Man::new(sub.clone());
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_options_section(&mut section)?;
        man.render_extra_section(&mut section)?;
        // Sections of a command are subsections of the page.
        text.extend(String::from_utf8_lossy(&section).replace(".SH ", ".SS ").bytes());
    }
    for (name, section) in SECTIONS {
        text.extend(format!(".SH \"{name}\"\n{section}").bytes());
    }
    man.render_version_section(&mut text)?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(Outcome::Clean)
}
