# SPDX-License-Identifier: MIT
"""perl: strings, hashes, regular expressions, sorts, closures, and interpreters cloned into threads."""

from loads import texts

PROGRAMS = {"perl": "perl"}

WORDS = r"""
use strict; use warnings;
my (%by_word, @long);
while (<STDIN>) {
    my ($number, $word, $long) = split;
    push @{$by_word{$word}}, $number;
    push @long, $long if $long =~ /(.)\1(\w*?)(\d+)$/ && length($2) % 3;
    $long =~ s/([aeiou])/uc($1) x 2/ge;
    $by_word{$long}{copy} = $_ if $number % 17 == 0;
}
for my $key (sort keys %by_word) {
    my $value = $by_word{$key};
    print "$key ", ref $value eq 'ARRAY' ? join(',', sort { $a <=> $b } @$value) : join('|', %$value), "\n";
    delete $by_word{$key} if length($key) % 2;
}
print scalar(keys %by_word), " ", join(' ', reverse sort @long), "\n";
my @tree = (map { my $n = $_; sub { $n * $_[0] } } 1 .. 20000);
my $sum = 0; $sum += $_->(3) for @tree; print "$sum\n";
my $text = ''; $text .= chr(65 + $_ % 26) x ($_ % 50) for 1 .. 20000; print unpack('%32C*', $text), "\n";
"""

THREADS = r"""
use strict; use warnings; use threads; use threads::shared; use Thread::Queue;
my %data = map { $_ => [1 .. $_ % 20] } 1 .. 3000;
my $queue = Thread::Queue->new(1 .. 400);
my %result :shared;
$queue->end;
my @workers = map { threads->create(sub {
    while (defined(my $n = $queue->dequeue)) {
        my $text = join ',', map { "$_:" . join('-', @{$data{$_}}) } grep { $_ % $n == 0 } sort keys %data;
        lock %result;
        $result{$n} = length $text;
    }
    return threads->tid;
}) } 1 .. 6;
print join(' ', map { $_->join } @workers), "\n";
print "$_ $result{$_}\n" for sort { $a <=> $b } keys %result;
for my $round (1 .. 15) {
    print join(' ', map { $_->join } map { threads->create(sub { $_[0] * $round }, $_) } 1 .. 4), "\n";
}
"""


def run(arm):
    arm.environment["PERL_HASH_SEED"] = "0"
    arm.environment["PERL_PERTURB_KEYS"] = "0"
    text = arm.write("text", texts.lines(150000))
    arm.run("perl", arm.write("words.pl", WORDS), stdin=text)
    arm.run("perl", arm.write("threads.pl", THREADS))
