//! Names that hold where a tree has no `/etc/services`, `/etc/protocols` or `/etc/ethertypes`, in the format of
//! these files (IANA registries). A file that is there replaces its table.

/// Stands in for `/etc/services`.
pub const SERVICES: &str = "\
echo 7/tcp\necho 7/udp\nftp 21/tcp\nssh 22/tcp\ntelnet 23/tcp\nsmtp 25/tcp mail\ntime 37/tcp\ndomain 53/tcp
domain 53/udp\nbootps 67/udp\nbootpc 68/udp\ntftp 69/udp\nhttp 80/tcp www\nkerberos 88/tcp\nkerberos 88/udp
pop3 110/tcp pop-3\nsunrpc 111/tcp portmapper\nsunrpc 111/udp portmapper\nauth 113/tcp ident\nntp 123/udp
netbios-ns 137/udp\nnetbios-dgm 138/udp\nnetbios-ssn 139/tcp\nimap2 143/tcp imap\nsnmp 161/tcp\nsnmp 161/udp
snmp-trap 162/udp snmptrap\nbgp 179/tcp\nldap 389/tcp\nldap 389/udp\nhttps 443/tcp\nhttps 443/udp
microsoft-ds 445/tcp\nsubmissions 465/tcp smtps\nisakmp 500/udp\nsyslog 514/udp\nprinter 515/tcp\nipp 631/tcp
submission 587/tcp\nldaps 636/tcp\nrsync 873/tcp\nimaps 993/tcp\npop3s 995/tcp\nopenvpn 1194/udp
radius 1812/udp\nnfs 2049/tcp\nnfs 2049/udp\nmysql 3306/tcp\nsip 5060/tcp\nsip 5060/udp\npostgresql 5432/tcp
x11 6000/tcp\ngit 9418/tcp\n";

/// Stands in for `/etc/protocols`.
pub const PROTOCOLS: &str = "\
ip 0 IP\nhopopt 0 HOPOPT\nicmp 1\nigmp 2\nipencap 4 IP-ENCAP\ntcp 6\negp 8\nudp 17\nrdp 27\ndccp 33\nipv6 41
ipv6-route 43\nipv6-frag 44\nrsvp 46\ngre 47\nesp 50 IPSEC-ESP\nah 51 IPSEC-AH\nskip 57\nipv6-icmp 58
ipv6-nonxt 59\nipv6-opts 60\neigrp 88\nospf 89 OSPFIGP\nipip 94\netherip 97\nencap 98\npim 103
ipcomp 108 comp\nvrrp 112\nl2tp 115\nisis 124\nsctp 132\nmobility-header 135\nudplite 136\nmpls-in-ip 137\n";

/// Stands in for `/etc/ethertypes`.
pub const ETHERTYPES: &str = "\
IPv4 0800 ip ip4\nX25 0805\nARP 0806 ether-arp\nFR_ARP 0808\nTRILL 22F3\nTEB 6558\nRARP 8035\nATALK 809B
AARP 80F3\n802_1Q 8100 8021q 1q 802.1q dot1q\nIPX 8137\nNetBEUI 8191\nIPv6 86DD ip6\nPPP 880B\nMPLS 8847
MPLS_MULTI 8848\nPPP_DISC 8863\nPPP_SES 8864\nEAPOL 888E\nS-TAG 88A8\nLLDP 88CC\nMACSEC 88E5\nPTP 88F7
FCOE 8906\nFIP 8914\n";
