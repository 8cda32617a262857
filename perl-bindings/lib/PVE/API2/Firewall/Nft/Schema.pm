package PVE::API2::Firewall::Nft::Schema;

# Made from api/openapi.json by scripts/perl-schema: change that, not this.

use strict;
use warnings;

our %VIEW;

$VIEW{ConfirmView} = {
    description => 'An applied configuration that goes again unless somebody confirms it.',
    type => 'object',
    properties => {
        back_to => {
            description => 'The generation that comes back.',
            type => 'integer',
        },
        remaining_s => {
            description => 'Seconds that remain.',
            type => 'integer',
        },
        within_s => {
            description => 'Seconds that were given.',
            type => 'integer',
        },
    },
};

$VIEW{CountsView} = {
    description => 'How many diagnostics there are.',
    type => 'object',
    properties => {
        error => {
            description => 'Errors.',
            type => 'integer',
        },
        info => {
            description => 'Remarks.',
            type => 'integer',
        },
        warning => {
            description => 'Warnings.',
            type => 'integer',
        },
    },
};

$VIEW{AppliedView} = {
    description => 'What an apply, or a rollback, led to.',
    type => 'object',
    properties => {
        cause => {
            description => 'Why, in a sentence.',
            type => 'string',
        },
        changed => {
            description => 'Something was written to the kernel.',
            type => 'boolean',
        },
        confirm => { $VIEW{ConfirmView}->%*, description => 'What waits for a confirmation.', optional => 1 },
        cuts => {
            description => 'What could be reached before it and cannot be any more, as a new connection; the most serious first.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        digest => {
            description => 'SHA-256 of its configuration.',
            type => 'string',
            optional => 1,
        },
        generation => {
            description => 'The generation that is enforced.',
            type => 'integer',
            optional => 1,
        },
        losses => {
            description => 'What the kernel cannot do, and what that means: this is not protected.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        n_diagnostics => { $VIEW{CountsView}->%*, description => 'How many diagnostics of each severity there are.' },
        state => {
            description => '`active`, `disabled`, `degraded`, `held`, `failed`',
            type => 'string',
        },
    },
};

$VIEW{ChangeNumbersView} = {
    description => 'How much changes. What leaves or comes with its chain, set or table counts as well.',
    type => 'object',
    properties => {
        n_chains_added => {
            description => 'Chains that come.',
            type => 'integer',
        },
        n_chains_removed => {
            description => 'Chains that leave.',
            type => 'integer',
        },
        n_elements_added => {
            description => 'Elements that come.',
            type => 'integer',
        },
        n_elements_removed => {
            description => 'Elements that leave.',
            type => 'integer',
        },
        n_rules_added => {
            description => 'Rules that come.',
            type => 'integer',
        },
        n_rules_removed => {
            description => 'Rules that leave.',
            type => 'integer',
        },
        n_sets_added => {
            description => 'Sets and maps that come.',
            type => 'integer',
        },
        n_sets_removed => {
            description => 'Sets and maps that leave.',
            type => 'integer',
        },
    },
};

$VIEW{OriginView} = {
    description => 'Why something exists.',
    type => 'object',
    properties => {
        file => {
            description => 'Path.',
            type => 'string',
            optional => 1,
        },
        kind => {
            type => 'string',
            enum => ['builtin', 'line', 'option'],
        },
        line => {
            description => 'Line, from 1.',
            type => 'integer',
            optional => 1,
        },
        name => {
            description => 'Its name.',
            type => 'string',
            optional => 1,
        },
        what => {
            description => 'What it is for.',
            type => 'string',
            optional => 1,
        },
    },
};

$VIEW{LineView} = {
    description => 'A rule or an element.',
    type => 'object',
    properties => {
        origin => { $VIEW{OriginView}->%*, description => 'Where it comes from; what leaves comes from files that may have changed since.', optional => 1 },
        rule => {
            description => 'A rule\'s id.',
            type => 'string',
            optional => 1,
        },
        text => {
            description => 'As nft(8) writes it.',
            type => 'string',
        },
    },
};

$VIEW{ObjectChangeView} = {
    description => 'What changes in a chain, a set or a map.',
    type => 'object',
    properties => {
        added => {
            description => 'Rules or elements that come.',
            type => 'array',
            items => $VIEW{LineView},
        },
        change => {
            description => '`added`, `removed`, `changed`',
            type => 'string',
        },
        family => {
            description => 'Family of the table.',
            type => 'string',
        },
        kind => {
            description => '`chain`, `set`, `helper`',
            type => 'string',
        },
        n_kept => {
            description => 'Rules or elements that stay.',
            type => 'integer',
        },
        name => {
            description => 'Its name.',
            type => 'string',
        },
        removed => {
            description => 'Rules or elements that leave.',
            type => 'array',
            items => $VIEW{LineView},
        },
        table => {
            description => 'Table.',
            type => 'string',
        },
    },
};

$VIEW{ChangeView} = {
    description => 'A change of what the kernel holds.',
    type => 'object',
    properties => {
        counts => { $VIEW{ChangeNumbersView}->%*, description => 'How much changes.' },
        n_left_out => {
            description => 'Objects that are left out of `objects` because there are too many.',
            type => 'integer',
        },
        objects => {
            description => 'Chain by chain and set by set.',
            type => 'array',
            items => $VIEW{ObjectChangeView},
        },
        text => {
            description => 'For people, like a unified diff: `-` what leaves, `+` what comes; the first MiB.',
            type => 'string',
        },
        unchanged => {
            description => 'Nothing changes.',
            type => 'boolean',
        },
    },
};

$VIEW{DiagnosticView} = {
    description => 'A diagnostic.',
    type => 'object',
    properties => {
        code => {
            description => 'Stable code.',
            type => 'string',
        },
        column => {
            description => 'First byte in the line, from 1.',
            type => 'integer',
            optional => 1,
        },
        consequence => {
            description => 'What follows.',
            type => 'string',
        },
        end_column => {
            description => 'Behind the last byte.',
            type => 'integer',
            optional => 1,
        },
        file => {
            description => 'Path; `null` where no file is at fault.',
            type => 'string',
            optional => 1,
        },
        line => {
            description => 'Counted from 1; `null` where a whole file is meant.',
            type => 'integer',
            optional => 1,
        },
        message => {
            description => 'What was found.',
            type => 'string',
        },
        remedy => {
            description => 'What helps.',
            type => 'string',
            optional => 1,
        },
        severity => {
            description => '`info`, `warning`, `error`.',
            type => 'string',
        },
        text => {
            description => 'The source line.',
            type => 'string',
            optional => 1,
        },
    },
};

$VIEW{FaultView} = {
    description => 'One reason of a refusal.',
    type => 'object',
    properties => {
        command => {
            description => 'The line of the script.',
            type => 'string',
        },
        message => {
            description => 'The kernel\'s or libnftables\' words.',
            type => 'string',
        },
        origin => { $VIEW{OriginView}->%*, description => 'Where the line comes from.', optional => 1 },
    },
};

$VIEW{KernelView} = {
    description => 'What the kernel says of a ruleset.',
    type => 'object',
    properties => {
        accepted => {
            description => 'It would take it.',
            type => 'boolean',
        },
        faults => {
            description => 'Why not.',
            type => 'array',
            items => $VIEW{FaultView},
        },
    },
};

$VIEW{CompileView} = {
    description => 'What a configuration would mean.',
    type => 'object',
    properties => {
        change => { $VIEW{ChangeView}->%*, description => 'What it would change.' },
        cuts => {
            description => 'What can be reached now and could not any more, as a new connection; the most serious first.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        cuts_the_way_in => {
            description => 'One of them is a way in: an apply would need `force`.',
            type => 'boolean',
        },
        diagnostics => {
            description => 'What was found.',
            type => 'array',
            items => $VIEW{DiagnosticView},
        },
        digest => {
            description => 'SHA-256 of the configuration.',
            type => 'string',
        },
        enabled => {
            description => 'The datacenter\'s firewall is on.',
            type => 'boolean',
        },
        enforced => {
            description => 'The generation that `change` is seen from.',
            type => 'integer',
            optional => 1,
        },
        kernel => { $VIEW{KernelView}->%*, description => 'With `check`: what the kernel says.', optional => 1 },
        losses => {
            description => 'What the kernel cannot do, and what that means: this would not be protected.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        n_diagnostics => { $VIEW{CountsView}->%*, description => 'How many diagnostics of each severity.' },
        ruleset => {
            description => 'With `ruleset: nft`, the text; with `json`, the document.',
            type => 'any',
            optional => 1,
        },
        unreadable => {
            description => 'A file that everything hangs on cannot be read: this would not be enforced.',
            type => 'boolean',
        },
    },
};

$VIEW{ChangeCountsView} = {
    description => 'How much changed in the kernel.',
    type => 'object',
    properties => {
        n_chains => {
            description => 'Chains with any change.',
            type => 'integer',
        },
        n_elements_added => {
            description => 'Elements of sets and maps added.',
            type => 'integer',
        },
        n_elements_removed => {
            description => 'Elements of sets and maps removed.',
            type => 'integer',
        },
        n_rules_added => {
            description => 'Rules added.',
            type => 'integer',
        },
        n_rules_removed => {
            description => 'Rules removed.',
            type => 'integer',
        },
    },
};

$VIEW{PhasesView} = {
    description => 'How long the parts of an apply took, in microseconds.',
    type => 'object',
    properties => {
        commit_us => {
            description => 'Kernel and socket.',
            type => 'integer',
        },
        compile_us => {
            description => 'From files to a plan.',
            type => 'integer',
        },
        diff_us => {
            description => 'Comparing with what was committed.',
            type => 'integer',
        },
        gather_us => {
            description => 'Reading what changed.',
            type => 'integer',
        },
        preflight_us => {
            description => 'Asking what would be cut.',
            type => 'integer',
        },
        total_us => {
            description => 'All of it.',
            type => 'integer',
        },
    },
};

$VIEW{SummaryView} = {
    description => 'A recent generation.',
    type => 'object',
    properties => {
        cause => {
            description => 'Why it came to be.',
            type => 'string',
        },
        changes => { $VIEW{ChangeCountsView}->%*, description => 'How much it changed.' },
        committed_at_s => {
            description => 'When it was committed, Unix time.',
            type => 'integer',
        },
        difference => {
            description => 'What it changed, for people.',
            type => 'string',
        },
        digest => {
            description => 'SHA-256 of its configuration.',
            type => 'string',
        },
        enforced => {
            description => 'It is the one that is enforced.',
            type => 'boolean',
        },
        number => {
            description => 'Its number.',
            type => 'integer',
        },
        phases => { $VIEW{PhasesView}->%*, description => 'How long it took.' },
    },
};

$VIEW{GenerationsView} = {
    description => 'The recent generations.',
    type => 'object',
    properties => {
        generations => {
            description => 'The newest first.',
            type => 'array',
            items => $VIEW{SummaryView},
        },
    },
};

$VIEW{HitsView} = {
    description => 'How often a rule was met.',
    type => 'object',
    properties => {
        bytes => {
            description => 'Their bytes.',
            type => 'integer',
        },
        packets => {
            description => 'Packets.',
            type => 'integer',
        },
    },
};

$VIEW{GuestRuleView} = {
    description => 'A rule as it concerns a device.',
    type => 'object',
    properties => {
        comment => {
            description => 'Its comment.',
            type => 'string',
            optional => 1,
        },
        direction => {
            description => '`IN`, `OUT`; `null`: a group call, or not to be read.',
            type => 'string',
            optional => 1,
        },
        effect => {
            description => '`enforced`, `shadowed`, `no effect`',
            type => 'string',
        },
        file => {
            description => 'Path of its file.',
            type => 'string',
        },
        group => {
            description => 'The security group that it stands in.',
            type => 'string',
            optional => 1,
        },
        hits => { $VIEW{HitsView}->%*, description => 'How often it was met, by packets of all devices; a group\'s rule: of all guests.', optional => 1 },
        id => {
            description => 'Its id: its comment in the kernel.',
            type => 'string',
        },
        line => {
            description => 'Its line, from 1.',
            type => 'integer',
        },
        shadowed_by => {
            description => 'With `shadowed`: the id of the rule that decides before it.',
            type => 'string',
            optional => 1,
        },
        text => {
            description => 'The line, blanks squeezed, without its comment.',
            type => 'string',
        },
        why => {
            description => 'Why it is not met.',
            type => 'string',
            optional => 1,
        },
    },
};

$VIEW{DeviceView} = {
    description => 'A network device of a guest.',
    type => 'object',
    properties => {
        bridge => {
            description => 'Its bridge, as configured.',
            type => 'string',
            optional => 1,
        },
        filtered => {
            description => 'Its frames meet rules.',
            type => 'boolean',
        },
        iface => {
            description => '`tap100i0`, `veth100i0`',
            type => 'string',
        },
        ipfilter => {
            description => 'Source addresses that it may use; `null`: any.',
            type => 'array',
            optional => 1,
            items => {
                type => 'string',
            },
        },
        mac => {
            description => 'Its MAC address.',
            type => 'string',
            optional => 1,
        },
        name => {
            description => '`net0`',
            type => 'string',
        },
        rules => {
            description => 'What its packets meet, in the order of the file; the rules of a group stand behind its call.',
            type => 'array',
            items => $VIEW{GuestRuleView},
        },
        running => {
            description => 'The port is there.',
            type => 'boolean',
        },
        vlan => {
            description => 'Its VLAN.',
            type => 'integer',
            optional => 1,
        },
    },
};

$VIEW{GuestView} = {
    description => 'The answer of `GET /v1/guests/{vmid}`.',
    type => 'object',
    properties => {
        devices => {
            description => 'Its devices.',
            type => 'array',
            items => $VIEW{DeviceView},
        },
        diagnostics => {
            description => 'What is wrong with its files.',
            type => 'array',
            items => $VIEW{DiagnosticView},
        },
        enabled => {
            description => 'Its firewall is on.',
            type => 'boolean',
        },
        generation => {
            description => 'The generation that this is read from.',
            type => 'integer',
        },
        hits_missing => {
            description => 'Why rules have no `hits`, if they have none.',
            type => 'string',
            optional => 1,
        },
        kind => {
            description => '`qemu`, `lxc`',
            type => 'string',
        },
        policy_in => {
            description => 'Inbound policy: `ACCEPT`, `DROP`, `REJECT`.',
            type => 'string',
        },
        policy_out => {
            description => 'Outbound policy.',
            type => 'string',
        },
        refused => {
            description => 'It keeps older chains because the kernel refused its new ones: the kernel\'s words.',
            type => 'string',
            optional => 1,
        },
        unprotected => {
            description => 'Why nothing is enforced for any guest, if that is so.',
            type => 'string',
            optional => 1,
        },
        vmid => {
            description => 'Its number.',
            type => 'integer',
        },
    },
};

$VIEW{GuestSummaryView} = {
    description => 'A guest in short.',
    type => 'object',
    properties => {
        enabled => {
            description => 'Its firewall is on.',
            type => 'boolean',
        },
        kind => {
            description => '`qemu`, `lxc`',
            type => 'string',
        },
        n_devices => {
            description => 'Its devices.',
            type => 'integer',
        },
        n_filtered => {
            description => 'Those that are filtered.',
            type => 'integer',
        },
        n_rules => {
            description => 'Its rules, groups\' rules not counted.',
            type => 'integer',
        },
        refused => {
            description => 'It keeps older chains because the kernel refused its new ones: the kernel\'s words.',
            type => 'string',
            optional => 1,
        },
        vmid => {
            description => 'Its number.',
            type => 'integer',
        },
    },
};

$VIEW{GuestsView} = {
    description => 'The answer of `GET /v1/guests`.',
    type => 'object',
    properties => {
        guests => {
            description => 'Guests of this node, ascending.',
            type => 'array',
            items => $VIEW{GuestSummaryView},
        },
    },
};

$VIEW{RejectModeView} = {
    description => 'How REJECT towards guests is answered.',
    type => 'object',
    properties => {
        asked => {
            description => 'What the node\'s settings ask for; `null`: nothing, the default holds.',
            type => 'string',
            optional => 1,
        },
        effective => {
            description => 'What is in force: `drop`, `prerouting`, `divert` or `fwbr`; `null`: guests are not filtered.',
            type => 'string',
            optional => 1,
        },
        reasons => {
            description => 'Why that is not what was asked for.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
    },
};

$VIEW{RuleView} = {
    description => 'A rule.',
    type => 'object',
    properties => {
        id => {
            description => 'Its id: its comment in the kernel.',
            type => 'string',
        },
        origin => { $VIEW{OriginView}->%*, description => 'Where it comes from.' },
        text => {
            description => 'As nft(8) writes it.',
            type => 'string',
        },
    },
};

$VIEW{ChainView} = {
    description => 'A chain.',
    type => 'object',
    properties => {
        hook => {
            description => 'Its hook; `null`: a regular chain.',
            type => 'string',
            optional => 1,
        },
        name => {
            description => 'Its name.',
            type => 'string',
        },
        origin => { $VIEW{OriginView}->%*, description => 'Where it comes from.' },
        priority => {
            description => 'Its priority.',
            type => 'integer',
            optional => 1,
        },
        rules => {
            description => 'Its rules.',
            type => 'array',
            items => $VIEW{RuleView},
        },
    },
};

$VIEW{ElementView} = {
    description => 'An element of a set or map.',
    type => 'object',
    properties => {
        origin => { $VIEW{OriginView}->%*, description => 'Where it comes from.' },
        text => {
            description => 'As nft(8) writes it.',
            type => 'string',
        },
    },
};

$VIEW{SetView} = {
    description => 'A set or a map.',
    type => 'object',
    properties => {
        elements => {
            description => 'Its elements.',
            type => 'array',
            items => $VIEW{ElementView},
        },
        key => {
            description => 'Types of its key.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        kind => {
            description => '`set`, `verdict map`, `mark map`, `dynamic set`',
            type => 'string',
        },
        name => {
            description => 'Its name.',
            type => 'string',
        },
        origin => { $VIEW{OriginView}->%*, description => 'Where it comes from.' },
    },
};

$VIEW{TableView} = {
    description => 'A table.',
    type => 'object',
    properties => {
        chains => {
            description => 'Base chains, then regular ones.',
            type => 'array',
            items => $VIEW{ChainView},
        },
        family => {
            description => '`inet`, `bridge`',
            type => 'string',
        },
        helpers => {
            description => 'Names of conntrack helper objects.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        name => {
            description => 'Its name.',
            type => 'string',
        },
        sets => {
            description => 'Sets and maps.',
            type => 'array',
            items => $VIEW{SetView},
        },
    },
};

$VIEW{RulesetView} = {
    description => 'The answer of `GET /v1/ruleset`.',
    type => 'object',
    properties => {
        tables => {
            description => 'In the order in which they are loaded.',
            type => 'array',
            items => $VIEW{TableView},
        },
    },
};

$VIEW{PlaceView} = {
    description => 'A rule in its place.',
    type => 'object',
    properties => {
        chain => {
            description => 'Chain.',
            type => 'string',
        },
        origin => { $VIEW{OriginView}->%*, description => 'Where it comes from.' },
        rule => {
            description => 'Id of the rule: its comment in the kernel.',
            type => 'string',
        },
        table => {
            description => 'Table.',
            type => 'string',
        },
    },
};

$VIEW{StepView} = {
    description => 'One step.',
    type => 'object',
    properties => {
        chain => {
            description => 'Chain.',
            type => 'string',
            optional => 1,
        },
        family => {
            description => 'Family of the hook.',
            type => 'string',
            optional => 1,
        },
        hook => {
            description => 'Hook.',
            type => 'string',
            optional => 1,
        },
        iif => {
            description => 'Incoming interface or port.',
            type => 'string',
            optional => 1,
        },
        log => {
            description => 'What it logged.',
            type => 'string',
            optional => 1,
        },
        matched => {
            description => 'All its conditions held.',
            type => 'boolean',
            optional => 1,
        },
        oif => {
            description => 'Outgoing interface or port.',
            type => 'string',
            optional => 1,
        },
        origin => { $VIEW{OriginView}->%*, description => 'Where it comes from.', optional => 1 },
        outcome => {
            description => 'What came of it.',
            type => 'string',
            optional => 1,
        },
        packet => {
            description => 'The answer as a packet.',
            type => 'string',
            optional => 1,
        },
        priority => {
            description => 'Priority.',
            type => 'integer',
            optional => 1,
        },
        rule => {
            description => 'Id of the rule: its comment in the kernel.',
            type => 'string',
            optional => 1,
        },
        step => {
            type => 'string',
            enum => ['answer', 'chain', 'hook', 'policy', 'rule'],
        },
        table => {
            description => 'Table.',
            type => 'string',
            optional => 1,
        },
        with => {
            description => 'What kind.',
            type => 'string',
            optional => 1,
        },
    },
};

$VIEW{SimulatedView} = {
    description => 'What happens to a packet.',
    type => 'object',
    properties => {
        assumptions => {
            description => 'What the verdict rests on besides the rules.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        decided_by => { $VIEW{PlaceView}->%*, description => 'What decided; `null`: the policy of the base chains, accept.', optional => 1 },
        detail => {
            description => 'With `reject`, what the sender receives; with `indeterminate`, what it depends on.',
            type => 'string',
            optional => 1,
        },
        generation => {
            description => 'The generation that it meets; `null`: one that is not enforced.',
            type => 'integer',
            optional => 1,
        },
        packet => {
            description => 'The packet, as it was understood.',
            type => 'string',
        },
        steps => {
            description => 'What happened, in order.',
            type => 'array',
            items => $VIEW{StepView},
        },
        verdict => {
            description => '`accept`, `drop`, `reject`, `indeterminate`',
            type => 'string',
        },
    },
};

$VIEW{StandingView} = {
    description => 'How enforcement stands after a switch.',
    type => 'object',
    properties => {
        cause => {
            description => 'Why, in a sentence.',
            type => 'string',
        },
        generation => {
            description => 'The generation that is enforced.',
            type => 'integer',
            optional => 1,
        },
        hold => {
            description => 'Automatic applying is switched off.',
            type => 'boolean',
        },
        state => {
            description => '`active`, `disabled`, `degraded`, `held`, `failed`',
            type => 'string',
        },
    },
};

$VIEW{CandidateView} = {
    description => 'A configuration that is saved and not enforced.',
    type => 'object',
    properties => {
        details => {
            description => 'What would be cut, or the kernel\'s words.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        digest => {
            description => 'SHA-256 of the configuration.',
            type => 'string',
        },
        obstacle => {
            description => 'What keeps it: `hold`, `confirmation`, `rolled-back`, `way-in`, `unreadable`, `refused`, `world`.',
            type => 'string',
        },
        reason => {
            description => 'In words.',
            type => 'string',
        },
    },
};

$VIEW{EnforcedView} = {
    description => 'How much is enforced.',
    type => 'object',
    properties => {
        n_chains => {
            description => 'Chains in the kernel.',
            type => 'integer',
        },
        n_elements => {
            description => 'Their elements.',
            type => 'integer',
        },
        n_guests => {
            description => 'Guests of this node.',
            type => 'integer',
        },
        n_guests_filtered => {
            description => 'Those with a filtered device.',
            type => 'integer',
        },
        n_rules => {
            description => 'Rules in the kernel.',
            type => 'integer',
        },
        n_sets => {
            description => 'Sets and maps in the kernel.',
            type => 'integer',
        },
        n_vnets => {
            description => 'VNets with a firewall.',
            type => 'integer',
        },
    },
};

$VIEW{DriftView} = {
    description => 'Repairs.',
    type => 'object',
    properties => {
        n_connections_forgotten => {
            description => 'Connections that were opened meanwhile: the next packet of each is new again, and meets the rules.',
            type => 'integer',
        },
        n_repairs => {
            description => 'How many there were since the start.',
            type => 'integer',
        },
        repaired_at_s => {
            description => 'When the last one ended, Unix time.',
            type => 'integer',
        },
        what => {
            description => 'What differed.',
            type => 'string',
        },
        window_us => {
            description => 'Microseconds from the notification to the repair.',
            type => 'integer',
        },
    },
};

$VIEW{FeatureView} = {
    description => 'A feature of the kernel.',
    type => 'object',
    properties => {
        brought_by => {
            description => 'Modules and options that bring it.',
            type => 'string',
        },
        name => {
            description => 'What it is.',
            type => 'string',
        },
        present => {
            description => 'This kernel has it.',
            type => 'boolean',
        },
    },
};

$VIEW{GenerationView} = {
    description => 'The generation that is enforced.',
    type => 'object',
    properties => {
        cause => {
            description => 'Why it came to be: `start`, `files`, `links`, `guest`, `apply`, `rollback`, `drift`, `audit`.',
            type => 'string',
        },
        changes => { $VIEW{ChangeCountsView}->%*, description => 'What it changed.' },
        committed_at_s => {
            description => 'When it was committed, Unix time.',
            type => 'integer',
        },
        cuts => {
            description => 'What could be reached before it and cannot be any more, as a new connection: ways in, corosync, Ceph, migration, storage, the caller\'s own; the most serious first.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        datacenter_digest => {
            description => 'SHA-256 of what the datacenter\'s nodes have in common of it: nodes that enforce the same say the same.',
            type => 'string',
        },
        digest => {
            description => 'SHA-256 of its configuration.',
            type => 'string',
        },
        losses => {
            description => 'What the kernel cannot do, and what that means: this is not protected.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
        number => {
            description => 'Its number; it counts up with each commit, over restarts.',
            type => 'integer',
        },
        phases => { $VIEW{PhasesView}->%*, description => 'How long it took.' },
        writer => {
            description => 'Who wrote to the kernel: `netlink`, `libnftables`, `none`.',
            type => 'string',
        },
    },
};

$VIEW{RefusedView} = {
    description => 'A guest that keeps older chains.',
    type => 'object',
    properties => {
        reason => {
            description => 'The kernel\'s words.',
            type => 'string',
        },
        vmid => {
            description => 'The guest.',
            type => 'integer',
        },
    },
};

$VIEW{StatusView} = {
    description => 'The answer of `GET /v1/status`.',
    type => 'object',
    properties => {
        candidate => { $VIEW{CandidateView}->%*, description => 'What is saved, if something else is enforced.', optional => 1 },
        cause => {
            description => 'Why, in a sentence.',
            type => 'string',
        },
        confirm => { $VIEW{ConfirmView}->%*, description => 'What waits for a confirmation.', optional => 1 },
        counts => { $VIEW{EnforcedView}->%*, description => 'How much is enforced.' },
        diagnostics => {
            description => 'They; the first 1,000.',
            type => 'array',
            items => $VIEW{DiagnosticView},
        },
        drift => { $VIEW{DriftView}->%*, description => 'Repairs of the kernel\'s tables.', optional => 1 },
        features => {
            description => 'Features of the kernel that the configuration needs.',
            type => 'array',
            items => $VIEW{FeatureView},
        },
        generation => { $VIEW{GenerationView}->%*, description => 'What is enforced; `null`: nothing was yet.', optional => 1 },
        hold => {
            description => 'Automatic applying is switched off.',
            type => 'boolean',
        },
        n_diagnostics => { $VIEW{CountsView}->%*, description => 'How many diagnostics of each severity the saved configuration has.' },
        node => {
            description => 'The node; `null` until the configuration has been read.',
            type => 'string',
            optional => 1,
        },
        refused_guests => {
            description => 'Guests that keep older chains because the kernel refused their new ones.',
            type => 'array',
            items => $VIEW{RefusedView},
        },
        reject_mode => { $VIEW{RejectModeView}->%*, description => 'How REJECT towards guests is answered.' },
        since_s => {
            description => 'Since when, Unix time.',
            type => 'integer',
        },
        state => {
            description => '`active`, `disabled`, `degraded`, `held`, `failed`',
            type => 'string',
        },
        version => {
            description => 'Version of the program.',
            type => 'string',
        },
        warnings => {
            description => 'What others do to our traffic, and the like.',
            type => 'array',
            items => {
                type => 'string',
            },
        },
    },
};

1;
