package Api;

# A call as pve-manager's PVE/HTTPServer.pm carries it out (`rest_handler`): find the method, check the permissions,
# look where it runs, handle it. What is answered is held against the method's own description.

use strict;
use warnings;

use PVE::Exception;
use PVE::RPCEnvironment;

our %ACL = (
    'audit@pve' => { '/nodes/n1' => ['Sys.Audit'] },
    'modify@pve' => { '/nodes/n1' => ['Sys.Modify'] },
    'other@pve' => { '/nodes/n2' => ['Sys.Audit', 'Sys.Modify'], '/vms/101' => ['VM.Audit'] },
    'tenant@pve' => { '/vms/100' => ['VM.Audit'] },
    'datacenter@pve' => { '/' => ['Sys.Audit'] },
    'nobody@pve' => {},
);

# Where the caller sits.
our $CLIENT_IP;

# { status, data } or { status, message, errors }.
sub call {
    my ($class, $user, $method, $path, %param) = @_;

    my $env = PVE::RPCEnvironment::stand_in(user => $user, client_ip => $CLIENT_IP, acl => \%ACL);
    my $data = eval {
        my ($handler, $info) = $class->find_handler($method, $path, \%param);
        die PVE::Exception->new("Method '$method $path' not implemented\n", code => 501) if !$info;
        $env->check_api2_permissions($info->{permissions}, $user, \%param);
        die "it runs on another node\n" if $info->{proxyto} && $param{ $info->{proxyto} } ne 'n1';
        $handler->handle($info, \%param, 1);
    };
    my $error = $@;
    return { status => 200, data => $data } if !$error;
    return { status => 500, message => "$error" } if ref($error) ne 'PVE::Exception';
    return { status => $error->{code} // 500, message => $error->{msg}, errors => $error->{errors} };
}

1;
