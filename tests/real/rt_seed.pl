#!/usr/bin/perl
# Fills a fresh RT with what the tests rely on: queue, custom fields, accounts, rights, a token.
# REST 2.0 of RT 5.0 cannot grant rights, apply custom fields to a queue or make tokens, hence RT's own classes.
# Usage: rt_seed.pl FOLDER (reads FOLDER/password, writes FOLDER/token)
use strict;
use warnings;
use lib '/usr/share/request-tracker5/lib';
use RT;
RT->LoadConfig;
RT->Init;

my $folder = shift @ARGV or die "usage: rt_seed.pl FOLDER\n";
my $system = RT->SystemUser;

sub slurp { open my $file, '<', $_[0] or die "$_[0]: $!\n"; local $/; my $text = <$file>; chomp $text; return $text }
sub made { my ($what, $id, $message) = @_; die "$what: " . ($message // 'refused') . "\n" unless $id; return $id }

my $password = slurp("$folder/password");

my $queue = RT::Queue->new($system);
made('queue', $queue->Create(Name => 'Incidents', Description => 'Tickets of monitoring'));
# A queue that somebody forgot to give the fields.
my $bare = RT::Queue->new($system);
made('queue', $bare->Create(Name => 'Bare', Description => 'No custom fields'));

my %fields = (
    'Correlation Key'   => { Type => 'FreeformSingle' },
    'Root CI'           => { Type => 'FreeformSingle' },
    'Severity'          => { Type => 'SelectSingle', Words => [qw(critical major minor warning info)] },
    'Impacted Services' => { Type => 'FreeformMultiple' },
    'Alert Count'       => { Type => 'FreeformSingle', Pattern => '(?#Digits)^[\d.]*$' },
);
for my $name (sort keys %fields) {
    my %how   = %{ $fields{$name} };
    my $words = delete $how{Words} || [];
    my $field = RT::CustomField->new($system);
    made("field $name", $field->Create(Name => $name, LookupType => 'RT::Queue-RT::Ticket', %how));
    $field->AddValue(Name => $_) for @$words;
    made("field $name on the queue", $field->AddToObject($queue));
}

# What the daemon may do, and no more; and a person of the service desk.
my %accounts = (
    alertd => [qw(SeeQueue CreateTicket ShowTicket ShowTicketComments ModifyTicket CommentOnTicket
                  SeeCustomField ModifyCustomField SetInitialCustomField)],
    jane   => [qw(SeeQueue ShowTicket ShowTicketComments ModifyTicket CommentOnTicket ReplyToTicket
                  OwnTicket TakeTicket SeeCustomField)],
);
for my $name (sort keys %accounts) {
    my $user = RT::User->new($system);
    made("account $name", $user->Create(Name => $name, EmailAddress => "$name\@lab.invalid",
                                        Privileged => 1, Password => $password));
    for my $right (@{ $accounts{$name} }) {
        made("$right of $name", $user->PrincipalObj->GrantRight(Object => $_, Right => $right)) for $queue, $bare;
    }
    next unless $name eq 'alertd';
    my $token = RT::AuthToken->new($system);
    my ($id, $message, $secret) = $token->Create(Owner => $user->id, Description => 'tests');
    made('token', $id, $message);
    umask 077;
    open my $file, '>', "$folder/token" or die "$folder/token: $!\n";
    print {$file} $secret;
    close $file or die "$folder/token: $!\n";
}

# Nobody is mailed: composing mails that go nowhere doubles the cost of a ticket. Scrips that change
# tickets (a reply opens a ticket again) stay on, for they are what an adapter has to live with.
my $scrips = RT::Scrips->new($system);
$scrips->UnLimit;
while (my $scrip = $scrips->Next) {
    $scrip->SetDisabled(1) if ($scrip->Description // '') =~ /Notify|Autoreply/;
}
