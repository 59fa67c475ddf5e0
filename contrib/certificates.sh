#!/usr/bin/env bash
# Makes a private authority, and the certificates by which a central and its agencies know each
# other; keeps the roster for --roster. Needs OpenSSL 3 and what every Debian has.
set -euo pipefail
# Whatever is made is for its owner alone, from the first byte on.
umask 077
# A name may have the letters of any language, whatever that of the shell is.
export LC_ALL=C.UTF-8

readonly usage="usage: certificates.sh [--renew] DIR central HOST...
       certificates.sh [--renew] DIR agency ID[=NAME]...
       certificates.sh DIR revoke ID...

central: makes DIR and its authority, ca.crt and ca.key, if there is none; and central.crt and
         central.key for these names or IP addresses, by which agencies call the central.
agency:  makes agency-ID.crt and agency-ID.key for each, and gives each its line in roster.csv.
revoke:  takes the lines of these agencies out of roster.csv: their certificates open no door then.
--renew: puts a new certificate with a new key in the place of what is there.

All of it is done, or nothing. Status 0: done; 1: it cannot be done; 2: wrong arguments.
Whoever has DIR/ca.key can make certificates: no host needs it to run a central or an agency."

readonly authority_days=3650 days=825
readonly highest_id=4294967295

renew='' made_dir='' work='' placed=()

say() { printf '%s\n' "$*"; }

# A word of the caller's fit for a sentence: in one line, and nothing that a terminal obeys.
shown() { printf '%s' "${1@Q}"; }

# fail STATUS SENTENCE
fail() {
    printf 'certificates.sh: %s\n' "$2" >&2
    exit "$1"
}

# Runs at every end: leaves all that was to be made, or nothing of it.
leave() {
    local status=$? file
    trap '' INT TERM HUP
    set +e  # what can be undone is undone
    if ((status != 0)); then
        for file in "${placed[@]}"; do
            if [[ -e $work/old-$file ]]; then
                mv -f -- "$work/old-$file" "$dir/$file"
            else
                rm -f -- "$dir/$file"
            fi
        done
    fi
    if [[ -n $work ]]; then rm -rf -- "$work"; fi
    if ((status != 0)) && [[ -n $made_dir ]]; then rmdir -- "$dir"; fi
    exit "$status"
}

# quietly WHAT COMMAND...: run a command; if it fails, say what cannot be done, and why.
quietly() {
    local what=$1
    shift
    "$@" >"$work/said" 2>&1 || fail 1 "cannot $what: $(tail -n 1 "$work/said")"
}

# DIR is ours alone, nobody else works in it, and there is a folder to work in.
open_directory() {
    if [[ $verb == central && ! -e $dir && ! -L $dir ]]; then
        mkdir -- "$dir" 2>/dev/null || fail 1 "the directory $(shown "$dir") cannot be made"
        made_dir=yes
    fi
    [[ -d $dir ]] || fail 1 "$(shown "$dir") is no directory; \"central\" makes a new one"
    [[ -O $dir ]] || fail 1 "$(shown "$dir") belongs to another user, who is the one to run this"
    [[ $(stat -L -c %a -- "$dir") == *00 ]] \
        || fail 1 "$(shown "$dir") is open to others; chmod 700 mends it"
    exec 9<"$dir"
    flock -n 9 || fail 1 "another certificates.sh works in $(shown "$dir")"
    rm -rf -- "$dir"/.making.*  # of one that was killed
    work=$(mktemp -d -- "$dir/.making.XXXXXX" 2>/dev/null) \
        || fail 1 "nothing can be made in $(shown "$dir")"
}

# There is an authority, and it outlives what it signs.
need_authority() {
    local file
    for file in ca.crt ca.key; do
        [[ -f $dir/$file ]] || fail 1 "$(shown "$dir/$file") is missing, and signs certificates"
    done
    openssl x509 -in "$dir/ca.crt" -noout -checkend $((days * 86400)) >"$work/said" 2>&1 \
        || fail 1 "$(shown "$dir/ca.crt") is no certificate that is good for $days days"
}

# free NAME: NAME.crt and NAME.key are not there; or, if that is asked for, they can be renewed.
free() {
    local file there=''
    for file in "$1.key" "$1.crt"; do
        if [[ -e $dir/$file || -L $dir/$file ]]; then there=$file; fi
    done
    if [[ -z $renew && -n $there ]]; then
        fail 1 "$(shown "$dir/$there") is there already; --renew replaces it"
    elif [[ -n $renew && -z $there ]]; then
        fail 1 "$(shown "$dir/$1.crt") is not there, so it cannot be renewed"
    fi
}

# certificate NAME SUBJECT DAYS [OPTION OF openssl req]...: a new key and its certificate, whose
# extensions come on stdin.
certificate() {
    local name=$1 subject=$2 lifetime=$3
    shift 3
    # A configuration of our own, for that of the host adds extensions.
    {
        printf '[req]\nprompt = no\ndistinguished_name = subject\nx509_extensions = extensions\n'
        printf '[subject]\nCN = %s\n[extensions]\nsubjectKeyIdentifier = hash\n' "$subject"
        cat
    } >"$work/configuration"
    quietly "make a key for the $subject" \
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$name.key"
    quietly "make a certificate for the $subject" \
        openssl req -new -x509 -sha256 -config "$work/configuration" -days "$lifetime" \
        -set_serial "0x$(openssl rand -hex 19)" -key "$work/$name.key" -out "$work/$name.crt" "$@"
}

# signed NAME SUBJECT PURPOSE NAMES: a certificate that the authority has signed, and its key.
signed() {
    local authority=$dir
    if [[ -e $work/ca.crt ]]; then authority=$work; fi
    certificate "$1" "$2" "$days" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" <<END
authorityKeyIdentifier = keyid:always
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = $3
subjectAltName = $4
END
}

# place FILE...: what was made takes its place, and replaces what is to be replaced, nothing else.
place() {
    local file
    quietly 'write to the disk' sync -- "${@/#/$work/}"
    # This takes a moment only, and no signal is to leave it half done.
    trap '' INT TERM HUP
    for file; do
        if [[ -e $dir/$file && (-n $renew || $file == roster.csv) ]]; then
            quietly "keep the old $file" ln -- "$dir/$file" "$work/old-$file"
            quietly "replace $file" mv -f -- "$work/$file" "$dir/$file"
        else
            # Unlike mv, ln replaces nothing, whoever has made it in the meantime.
            quietly "make $file" ln -- "$work/$file" "$dir/$file"
        fi
        placed+=("$file")
    done
    quietly 'write to the disk' sync -- "$dir"
}

is_host_name() {
    local label='[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
    # The last label has a letter; it would be an IP address else, and a wrong one.
    ((${#1} <= 253)) && [[ $1 =~ ^($label\.)*$label$ && ${1##*.} == *[a-z]* ]]
}

is_address() {
    local byte='(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])' group='[0-9a-f]{1,4}' inner colons
    local some="($group(:$group)*)?"
    inner=${1#:} inner=${inner%:} colons=${inner//[^:]/}
    [[ $1 =~ ^$byte(\.$byte){3}$ || $1 =~ ^$group(:$group){7}$ ]] \
        || [[ $1 =~ ^${some}::${some}$ && ${#colons} -le 7 ]]
}

# make_central HOST...
make_central() {
    local host names='' new=(central.key central.crt)
    for host in "${@,,}"; do
        if is_host_name "$host"; then
            names+=,DNS:$host
        elif is_address "$host"; then
            names+=,IP:$host
        else
            fail 2 "$(shown "$host") is neither the name nor the IP address of a host"
        fi
    done
    open_directory
    free central
    if [[ -z $renew && ! -e $dir/ca.crt && ! -e $dir/ca.key ]]; then
        certificate ca 'lottery authority' "$authority_days" <<'END'
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
END
        new=(ca.key ca.crt "${new[@]}")
    else
        need_authority
    fi
    signed central 'lottery central' serverAuth "${names#,}"
    place "${new[@]}"
    say "made in $(shown "$dir"): ${new[*]}; agencies may call the central ${names#,}"
}

# check_ids ID...
check_ids() {
    local id seen=' '
    for id; do
        if [[ ! $id =~ ^(0|[1-9][0-9]{0,9})$ ]] || ((id > highest_id)); then
            fail 2 "$(shown "$id") is no ID, which is a whole number from 0 to $highest_id"
        fi
        [[ $seen != *" $id "* ]] || fail 2 "agency $id is named twice"
        seen+="$id "
    done
}

# The lines of the roster, and the numbers of those of each agency.
lines=()
declare -A lines_of=()
read_roster() {
    local number
    [[ -e $dir/roster.csv ]] || return 0
    [[ -f $dir/roster.csv ]] || fail 1 "$(shown "$dir/roster.csv") is no file"
    mapfile -t lines <"$dir/roster.csv"
    for number in "${!lines[@]}"; do
        if [[ ${lines[number]#$'\ufeff'} =~ ^[[:space:]]*0*([0-9]+)[[:space:]]*, ]]; then
            lines_of[${BASH_REMATCH[1]}]+="$number "
        fi
    done
}

write_roster() { printf '%s\n' "${lines[@]}" >"$work/roster.csv"; }

# make_agencies ID[=NAME]...
make_agencies() {
    local word id name number mark new=()
    # Nothing that a CSV file, a spreadsheet or a terminal makes something else of.
    local good="^[[:alnum:]][[:alnum:] .'()/&_-]{0,63}$"
    check_ids "${@%%=*}"
    for word; do
        [[ $word != *=* || ${word#*=} =~ $good ]] || fail 2 "$(shown "${word#*=}") is no name, \
which has 1 to 64 letters, digits, blanks and . ' ( ) / & _ - and begins with a letter or digit"
    done
    open_directory
    need_authority
    read_roster
    ((${#lines[@]})) || lines=('id,name,certificate')
    for id in "${@%%=*}"; do
        free "agency-$id"
        [[ -n $renew || -z ${lines_of[$id]-} ]] \
            || fail 1 "agency $id is on the roster already; \"revoke\" takes it out"
    done
    for word; do
        id=${word%%=*} name="agency $id" number=${lines_of[$id]-}
        number=${number%% *} number=${number:-${#lines[@]}}
        if [[ $word == *=* ]]; then
            name=${word#*=}
        elif [[ -n ${lines[number]-} ]]; then
            name=${lines[number]#*,} name=${name%,*}  # as it was
        fi
        signed "agency-$id" "lottery agency $id" clientAuth "URI:urn:lottery:agency:$id"
        mark=$(openssl x509 -in "$work/agency-$id.crt" -noout -fingerprint -sha256)
        lines[number]="$id,$name,sha256:${mark#*=}"
        new+=("agency-$id.key" "agency-$id.crt")
    done
    write_roster
    place "${new[@]}" roster.csv  # the roster last: whom it names has a certificate
    say "made in $(shown "$dir"): ${new[*]}; roster.csv names them"
    say 'a central that runs reads the roster at SIGHUP; an agency needs its two files and ca.crt'
}

# revoke_agencies ID...
revoke_agencies() {
    local id number
    check_ids "$@"
    open_directory
    read_roster
    for id; do
        [[ -n ${lines_of[$id]-} ]] || fail 1 "agency $id is not on the roster of $(shown "$dir")"
        for number in ${lines_of[$id]}; do
            unset "lines[number]"
        done
        unset "lines_of[$id]"
    done
    write_roster
    place roster.csv
    say "taken out of $(shown "$dir/roster.csv"): $*"
    if ((${#lines_of[@]})); then
        say 'a central that runs reads the roster at SIGHUP, and lets them in until then'
    else
        say 'nobody is left; a central takes no such roster, so stop the one that runs'
    fi
}

if [[ ${1-} == --help || ${1-} == -h ]]; then
    say "$usage"
    exit 0
fi
if [[ ${1-} == --renew ]]; then
    renew=yes
    shift
fi
(($# >= 3)) || fail 2 'DIR, then central, agency or revoke, and whom it is about; see --help'
readonly dir=$1 verb=$2
shift 2
[[ -n $dir && $dir != -* ]] || fail 2 "$(shown "$dir") is no directory"
[[ $verb =~ ^(central|agency|revoke)$ ]] \
    || fail 2 "$(shown "$verb") is none of central, agency and revoke"
[[ $verb != revoke || -z $renew ]] || fail 2 'who is revoked is not renewed'
[[ $(openssl version 2>/dev/null) == 'OpenSSL '[3-9]* ]] \
    || fail 1 'OpenSSL 3 is needed; on Debian: apt-get install openssl'
trap leave EXIT
trap 'exit 1' INT TERM HUP
case $verb in
    central) make_central "$@" ;;
    agency) make_agencies "$@" ;;
    revoke) revoke_agencies "$@" ;;
esac
