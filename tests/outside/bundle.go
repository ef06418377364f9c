package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Verdict is how far a bundle goes.
type Verdict struct {
	OK      bool     `json:"ok"`
	Levels  []string `json:"levels"`
	Reasons []string `json:"reasons"`
	Size    uint64   `json:"size"`
}

type leaf struct {
	MediaType, EventType, Signer, SignedBy, Body string
	Received                                     int64
}

type envelope struct {
	payloadType        string
	payload, signature []byte
}

type bundleEntry struct {
	index          int64
	raw            []byte
	leaf           leaf
	salt, envelope []byte
	proofIndex     string
	hashes         [][]byte
	checkpoint     string
}

var (
	spelling = regexp.MustCompile(`^\{"body":"([0-9a-f]{64})","caller":(?:null|"[0-9a-f]{64}"),"eventType":"([!#-\[\]-~]{1,1000})","mediaType":"([!#-\[\]-~]{1,1000})",` +
		`"received":(0|[1-9][0-9]{0,15}),"signedBy":"(PRODUCER|SERVICE|ADMIN)","signer":"([0-9a-f]{64})","tenant":"[0-9a-f]{32}","v":1\}$`)
	visible    = regexp.MustCompile(`^[!-~]{1,255}$`)
	signsAs    = map[string]string{"producer": "PRODUCER", "notary": "SERVICE", "admin": "ADMIN"}
	controls   = []string{genesisType, keyType, policyType}
	unerasable = append(slices.Clone(controls), erasureType, "lineproof.alias.v1")
)

// bundle verifies evidence bundles: one file, or with -many lines of {"trust", "bundle"} from standard input, a verdict for each.
func bundle(arguments []string) (any, error) {
	flags := flag.NewFlagSet("bundle", flag.ExitOnError)
	file := flags.String("file", "", "the bundle")
	trust := flags.String("trust", "", "the trust file")
	many := flags.Bool("many", false, "read bundles from standard input")
	_ = flags.Parse(arguments)
	if !*many {
		document, err := os.ReadFile(*file)
		if err != nil {
			return nil, err
		}
		believed, err := os.ReadFile(*trust)
		if err != nil {
			return nil, err
		}
		return verdictOf(document, string(believed)), nil
	}
	input, output := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var asked struct {
			Trust  string
			Bundle json.RawMessage
		}
		if err := input.Decode(&asked); errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if err := output.Encode(verdictOf(asked.Bundle, asked.Trust)); err != nil {
			return nil, err
		}
	}
}

func verdictOf(document []byte, trust string) Verdict {
	verdict := Verdict{Levels: []string{}, Reasons: []string{}}
	if err := verifyBundle(document, trust, &verdict); err != nil {
		verdict.Reasons = append(verdict.Reasons, err.Error())
	}
	verdict.OK = len(verdict.Reasons) == 0
	if !verdict.OK {
		verdict.Levels = []string{}
	}
	return verdict
}

func verifyBundle(document []byte, trust string, verdict *Verdict) error {
	parsed, err := readJSON(document, false)
	if err != nil {
		return err
	}
	data, ok := parsed.(map[string]any)
	if !ok || data["format"] != "lineproof-bundle@v1" {
		return errors.New("not a lineproof-bundle@v1")
	}
	top := &body{data: data}
	origin, text := top.text("origin"), top.text("checkpoint")
	cited, keyEntries := top.entries("entries"), top.entries("keyEntries")
	if top.err != nil {
		return top.err
	}
	logKeys, head, err := openTrusted(text, origin, trust)
	if err != nil {
		return err
	}
	verdict.Size = head.Size

	checked, envelopes := map[int64]bundleEntry{}, map[int64]*envelope{}
	for _, entry := range append(slices.Clone(keyEntries), cited...) {
		if before, there := checked[entry.index]; there && fmt.Sprint(before) != fmt.Sprint(entry) {
			return fmt.Errorf("entry %d stands twice", entry.index)
		}
		checked[entry.index] = entry
		if envelopes[entry.index], err = checkEntry(entry, origin, text, head); err != nil {
			return fmt.Errorf("entry %d: %w", entry.index, err)
		}
	}
	indices := []int64{}
	for index := range checked {
		indices = append(indices, index)
	}
	slices.Sort(indices)
	keys, erased := newKeyring(), map[int64]bool{}
	for _, index := range indices {
		_ = keys.apply(index, checked[index].leaf, envelopes[index]) // what changes nothing is no fault of the evidence
	}
	if !namesTrusted(keys, origin, logKeys) {
		return errors.New("no genesis entry that names this origin and the trusted log key")
	}
	for _, index := range indices {
		if named, says := erases(checked[index], envelopes[index], keys); says {
			erased[named] = true
		}
	}
	for _, entry := range cited {
		if err := checkSigner(entry, envelopes[entry.index], keys, erased); err != nil {
			return fmt.Errorf("entry %d: %w", entry.index, err)
		}
	}
	verdict.Levels = append(verdict.Levels, "included")
	if data["leaves"] == nil {
		return nil
	}
	if err := checkLeaves(top.strings("leaves", data["leaves"]), keyEntries, head); err != nil {
		return err
	}
	verdict.Levels = append(verdict.Levels, "keys-complete")
	return top.err
}

// checkEntry checks inclusion, commitment, and that leaf and body agree.
func checkEntry(entry bundleEntry, origin, checkpoint string, head *log.Checkpoint) (*envelope, error) {
	if entry.checkpoint != checkpoint || entry.proofIndex != strconv.FormatInt(entry.index, 10) {
		return nil, errors.New("its proof is for another entry or checkpoint")
	}
	if entry.index < 0 {
		return nil, errors.New("a negative index")
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(entry.index), head.Size, rfc6962.DefaultHasher.HashLeaf(entry.raw), entry.hashes, head.Hash); err != nil {
		return nil, err
	}
	if entry.envelope == nil {
		return nil, nil
	}
	commitment := sha256.Sum256(slices.Concat([]byte("lineproof/body/v1\x00"), entry.salt, entry.envelope))
	if len(entry.salt) != 32 || hex.EncodeToString(commitment[:]) != entry.leaf.Body {
		return nil, errors.New("the body is not the one its leaf commits to")
	}
	opened, err := openEnvelope(entry.envelope)
	if err != nil {
		return nil, err
	}
	kind, audience := facts(opened)
	agrees := kind == entry.leaf.EventType || (entry.leaf.EventType == "in-toto.other" && kind != "")
	if opened.payloadType != entry.leaf.MediaType || !agrees || (audience != "" && audience != origin) {
		return nil, errors.New("the body is of another type than its leaf says, or addressed to another log")
	}
	return opened, nil
}

func openEnvelope(raw []byte) (*envelope, error) {
	parsed, err := readJSON(raw, true)
	if err != nil {
		return nil, err
	}
	data, ok := parsed.(map[string]any)
	if !ok {
		return nil, errors.New("the envelope is not an object")
	}
	signatures, _ := data["signatures"].([]any)
	if len(signatures) != 1 {
		return nil, errors.New("the envelope has not exactly one signature")
	}
	outer := &body{data: data}
	found := &envelope{payloadType: outer.matching("payloadType", visible), payload: outer.decoded("payload", data["payload"])}
	inner, ok := signatures[0].(map[string]any)
	if !ok {
		return nil, errors.New("the signature is not an object")
	}
	outer.inside("signatures", inner, func(s *body) {
		if _, there := s.data["keyid"]; there {
			s.text("keyid")
		}
		found.signature = s.decoded("sig", s.data["sig"])
	})
	return found, outer.err
}

// facts gives the type of an event and the log it is addressed to, "" where it says nothing.
func facts(opened *envelope) (string, string) {
	parsed, err := readJSON(opened.payload, false)
	event, ok := parsed.(map[string]any)
	if err != nil || !ok {
		return "", ""
	}
	said := func(of map[string]any, name string) string { text, _ := of[name].(string); return text }
	under := func(of map[string]any, name string) map[string]any {
		inner, _ := of[name].(map[string]any)
		return inner
	}
	switch opened.payloadType {
	case cloudEvent:
		return said(event, "type"), said(event, "audience")
	case "application/vnd.openlineage+json":
		kind := ""
		for _, part := range []string{"run", "job", "dataset"} {
			inner, ok := event[part].(map[string]any)
			if !ok {
				continue
			}
			if kind == "" {
				kind = "openlineage." + part
			}
			if facet := under(under(inner, "facets"), "lineproof_producer"); facet != nil {
				return kind, said(facet, "audience")
			}
		}
		return kind, ""
	case "application/vnd.in-toto+json":
		return said(event, "predicateType"), said(under(under(event, "predicate"), "lineproof_producer"), "audience")
	}
	return "", ""
}

// erases gives the entry whose body this one declares erased, if an admin key that was valid at it signed it as an erasure.
func erases(entry bundleEntry, opened *envelope, keys *keyring) (int64, bool) {
	key := keys.keys[entry.leaf.Signer]
	if entry.leaf.EventType != erasureType || opened == nil || opened.payloadType != cloudEvent || key == nil || key.purpose != "admin" {
		return 0, false
	}
	if !keys.valid(entry.leaf.Signer, entry.index, entry.leaf.Received) || !signed(key.spki, opened.signature, pae(opened.payloadType, opened.payload)) {
		return 0, false
	}
	parsed, err := readJSON(opened.payload, true)
	event, _ := parsed.(map[string]any)
	inner, ok := event["data"].(map[string]any)
	if err != nil || !ok || (event["audience"] != nil && event["audience"] != keys.origin) {
		return 0, false
	}
	data := &body{data: inner}
	named := data.erasure()
	return named, data.err == nil && named < entry.index
}

func checkSigner(entry bundleEntry, opened *envelope, keys *keyring, erased map[int64]bool) error {
	if opened == nil {
		if erased[entry.index] && !slices.Contains(unerasable, entry.leaf.EventType) {
			return nil
		}
		return errors.New("its body is missing and no erasure entry shown says so")
	}
	key := keys.keys[entry.leaf.Signer]
	switch {
	case key == nil:
		return errors.New("no key entry shown registers its signer")
	case !signed(key.spki, opened.signature, pae(opened.payloadType, opened.payload)):
		return errors.New("the signature is false")
	case entry.leaf.SignedBy != signsAs[key.purpose]:
		return errors.New("its leaf names another kind of signer")
	case !keys.valid(entry.leaf.Signer, entry.index, entry.leaf.Received):
		return errors.New("the key was not valid at this entry")
	}
	return nil
}

func namesTrusted(keys *keyring, origin string, logKeys [][]byte) bool {
	if keys.origin != origin {
		return false
	}
	for _, key := range keys.keys {
		if key.purpose == "log" && slices.ContainsFunc(logKeys, func(raw []byte) bool { return bytes.Equal(raw, key.spki[12:]) }) {
			return true
		}
	}
	return false
}

// checkLeaves recomputes the root from all leaves and finds the key entries that are not shown.
func checkLeaves(leaves []string, keyEntries []bundleEntry, head *log.Checkpoint) error {
	if uint64(len(leaves)) != head.Size {
		return fmt.Errorf("%d leaves for a checkpoint of size %d", len(leaves), head.Size)
	}
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for index, text := range leaves {
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return err
		}
		if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(raw), nil); err != nil {
			return err
		}
		read, err := parseLeaf(raw)
		if err != nil {
			return fmt.Errorf("leaf %d: %w", index, err)
		}
		shown := slices.ContainsFunc(keyEntries, func(entry bundleEntry) bool { return entry.index == int64(index) && entry.envelope != nil })
		if slices.Contains(controls, read.EventType) && !shown {
			return fmt.Errorf("entry %d is a %s and not shown", index, read.EventType)
		}
	}
	root, err := tree.GetRootHash(nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(root, head.Hash) {
		return errors.New("the leaves do not hash to the root of the checkpoint")
	}
	return nil
}

func (b *body) entries(name string) []bundleEntry {
	found := []bundleEntry{}
	b.each(name, true, func(item *body) {
		entry := bundleEntry{index: item.whole("index", 0, 1<<53-1), raw: item.decoded("leaf", item.data["leaf"])}
		if item.has("salt") != item.has("envelope") {
			item.fail("salt and envelope are given together or not at all")
		}
		if item.has("salt") && item.has("envelope") {
			entry.salt, entry.envelope = item.decoded("salt", item.data["salt"]), item.decoded("envelope", item.data["envelope"])
		}
		var err error
		if entry.leaf, err = parseLeaf(entry.raw); err != nil {
			item.fail("%w", err)
		}
		head, checkpoint, _ := strings.Cut(item.text("proof"), "\n\n")
		lines := strings.Split(head, "\n")
		if len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
			item.fail("malformed proof")
			return
		}
		entry.proofIndex, entry.checkpoint = strings.TrimPrefix(lines[1], "index "), checkpoint
		for _, line := range lines[2:] {
			entry.hashes = append(entry.hashes, item.decoded("proof", line))
		}
		found = append(found, entry)
	})
	return found
}

func (b *body) decoded(name string, value any) []byte {
	text, ok := value.(string)
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || base64.StdEncoding.EncodeToString(raw) != text {
		b.fail("%s is not base64", name)
	}
	return raw
}

func parseLeaf(raw []byte) (leaf, error) {
	found := spelling.FindSubmatch(raw)
	if found == nil {
		return leaf{}, errors.New("the leaf is not in its canonical spelling")
	}
	received, err := strconv.ParseInt(string(found[4]), 10, 64)
	return leaf{Body: string(found[1]), EventType: string(found[2]), MediaType: string(found[3]), SignedBy: string(found[5]), Signer: string(found[6]), Received: received}, err
}
