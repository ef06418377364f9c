package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// trusted is a log key of a trust file.
type trusted struct {
	verifier note.Verifier
	raw      []byte
}

// quorum is a witness, or so many of a group.
type quorum struct {
	witness   note.Verifier
	raw       []byte
	threshold int
	members   []*quorum
}

var (
	notInTrust = regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f]`)
	number     = regexp.MustCompile(`^[1-9][0-9]{0,3}$`)
)

// parseTrust reads a trust file (C2SP tlog-policy): the log keys, and who must have cosigned, nil for nobody.
func parseTrust(text string) ([]trusted, *quorum, error) {
	if notInTrust.MatchString(text) {
		return nil, nil, errors.New("a trust file holds no control characters")
	}
	var logs []trusted
	var quorums []string
	var lines [][]string // of witnesses and groups, before the quorum
	for _, line := range strings.Split(text, "\n") {
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case words[0] == "log" && (len(words) == 2 || len(words) == 3):
			verifier, err := note.NewVerifier(words[1])
			if err != nil {
				return nil, nil, err
			}
			raw, err := base64.StdEncoding.DecodeString(strings.SplitN(words[1], "+", 3)[2])
			if err != nil {
				return nil, nil, err
			}
			if slices.ContainsFunc(logs, func(other trusted) bool { return bytes.Equal(other.raw, raw[1:]) }) {
				return nil, nil, errors.New("a log key stands twice")
			}
			logs = append(logs, trusted{verifier, raw[1:]})
		case words[0] == "quorum" && len(words) == 2:
			quorums = append(quorums, words[1])
		case (words[0] == "witness" && (len(words) == 3 || len(words) == 4)) || (words[0] == "group" && len(words) >= 4):
			if len(quorums) == 0 {
				lines = append(lines, words)
			}
		default:
			return nil, nil, fmt.Errorf("not a line of a trust file: %q", line)
		}
	}
	if len(quorums) != 1 || len(logs) == 0 {
		return nil, nil, errors.New("a trust file names a log and has one quorum line")
	}
	if quorums[0] == "none" {
		return logs, nil, nil
	}
	asked, err := parseWitnesses(lines, quorums[0])
	return logs, asked, err
}

func parseWitnesses(lines [][]string, named string) (*quorum, error) {
	known, used := map[string]*quorum{}, map[string]bool{}
	for _, words := range lines {
		name := words[1]
		if known[name] != nil || name == "none" {
			return nil, fmt.Errorf("%s is defined again", name)
		}
		if words[0] == "witness" {
			witness, err := parseWitness(words[2])
			if err != nil {
				return nil, err
			}
			for _, other := range known {
				if bytes.Equal(other.raw, witness.raw) {
					return nil, fmt.Errorf("witness %s has the key of another", name)
				}
			}
			known[name] = witness
			continue
		}
		group := &quorum{}
		for _, member := range words[3:] {
			if known[member] == nil || used[member] {
				return nil, fmt.Errorf("%s is not defined before group %s, or a member already", member, name)
			}
			used[member] = true
			group.members = append(group.members, known[member])
		}
		switch asked := words[2]; {
		case asked == "any":
			group.threshold = 1
		case asked == "all":
			group.threshold = len(group.members)
		case number.MatchString(asked):
			group.threshold, _ = strconv.Atoi(asked)
		}
		if group.threshold < 1 || group.threshold > len(group.members) {
			return nil, fmt.Errorf("group %s asks for more members than it has, or none", name)
		}
		known[name] = group
	}
	if known[named] == nil {
		return nil, fmt.Errorf("the quorum %s is not defined before it", named)
	}
	return known[named], nil
}

// parseWitness reads a verifier key of type 0x04; the library alone would take one that signs plain notes too, and any id.
func parseWitness(vkey string) (*quorum, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("a vkey is <name>+<8 hex>+<base64>")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("not an Ed25519 key of cosignatures")
	}
	if id := sha256.Sum256(append([]byte(parts[0]+"\n"), key...)); hex.EncodeToString(id[:4]) != parts[1] {
		return nil, errors.New("the id in the vkey is not that of its name and key")
	}
	witness, err := f_note.NewVerifierForCosignatureV1(vkey)
	return &quorum{witness: witness, raw: key}, err
}

// met says whether enough witnesses cosigned a note. A line of one of them that does not verify is an error, also where there are enough without it.
func (q *quorum) met(signed string) (bool, error) {
	if q.witness != nil {
		return cosigned(signed, q.witness)
	}
	count := 0
	for _, member := range q.members {
		has, err := member.met(signed)
		if err != nil {
			return false, err
		}
		if has {
			count++
		}
	}
	return count >= q.threshold, nil
}

func cosigned(signed string, witness note.Verifier) (bool, error) {
	end := strings.LastIndex(signed, "\n\n")
	if end < 0 {
		return false, errors.New("not a signed note")
	}
	found := false
	for _, line := range strings.SplitAfter(signed[end+2:], "\n") {
		if line == "" {
			continue
		}
		opened, err := note.Open([]byte(signed[:end+2]+line), note.VerifierList(witness)) // line by line: of several by one key it would look at the first
		var unknown *note.UnverifiedNoteError
		if errors.As(err, &unknown) {
			continue
		} else if err != nil {
			return false, err
		}
		at, err := f_note.CoSigV1Timestamp(opened.Sigs[0])
		if err != nil || at.Unix() < 0 {
			return false, fmt.Errorf("a cosignature of no time there is: %w", err)
		}
		found = true
	}
	return found, nil
}

// openTrusted opens a checkpoint with the keys that the trust file gives for the origin, and the witnesses it asks for.
func openTrusted(text, origin, trust string) ([][]byte, *log.Checkpoint, error) {
	logs, asked, err := parseTrust(trust)
	if err != nil {
		return nil, nil, err
	}
	var verifiers []note.Verifier
	var raw [][]byte
	for _, each := range logs {
		if each.verifier.Name() == origin {
			verifiers, raw = append(verifiers, each.verifier), append(raw, each.raw)
		}
	}
	if len(verifiers) == 0 {
		return nil, nil, fmt.Errorf("the trust file names no log %s", origin)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifiers...))
	if err != nil {
		return nil, nil, err
	}
	head := &log.Checkpoint{}
	if _, err := head.Unmarshal([]byte(opened.Text)); err != nil {
		return nil, nil, err
	}
	if head.Origin != origin {
		return nil, nil, errors.New("the checkpoint is of another log")
	}
	if asked == nil {
		return raw, head, nil
	}
	if enough, err := asked.met(text); err != nil {
		return nil, nil, err
	} else if !enough {
		return nil, nil, errors.New("fewer witnesses cosigned than the quorum asks for")
	}
	return raw, head, nil
}
