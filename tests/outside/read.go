package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sort"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Report counts what was verified.
type Report struct {
	Size        uint64 `json:"size"`
	Inclusion   int    `json:"inclusion"`   // proofs made from tiles by x/mod and by Tessera's client, checked by x/mod and by merkle
	Served      int    `json:"served"`      // inclusion proofs the service answered, checked by merkle and by x/mod
	Consistency int    `json:"consistency"` // pairs of published checkpoints
	Fsck        bool   `json:"fsck"`
}

// read checks a log served over HTTP: its checkpoint, every inclusion proof, and that every published checkpoint leads to the next.
func read(arguments []string) (any, error) {
	flags := flag.NewFlagSet("read", flag.ExitOnError)
	base := flags.String("url", "", "the log's prefix, ending in /")
	vkey := flags.String("vkey", "", "the log's verifier key")
	published := flags.String("checkpoints", "", "a folder of notes published before")
	all := flags.Uint64("all", 1_000, "prove every entry of logs up to this size, and about as many of larger ones")
	_ = flags.Parse(arguments)
	ctx := context.Background()

	verifier, err := note.NewVerifier(*vkey)
	if err != nil {
		return nil, err
	}
	root, err := url.Parse(*base)
	if err != nil {
		return nil, err
	}
	fetcher, err := client.NewHTTPFetcher(root, nil)
	if err != nil {
		return nil, err
	}
	head, _, _, err := client.FetchCheckpoint(ctx, fetcher.ReadCheckpoint, verifier, verifier.Name())
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	report := Report{Size: head.Size}
	if err := fsck.New(verifier.Name(), verifier, fetcher, leafHashes, fsck.Opts{N: 2}).Check(ctx); err != nil {
		return nil, fmt.Errorf("fsck: %w", err)
	}
	report.Fsck = true

	leaves, err := leavesOf(ctx, fetcher, head.Size)
	if err != nil {
		return nil, err
	}
	tree := tlog.Tree{N: int64(head.Size), Hash: tlog.Hash(head.Hash)}
	reader := tlog.TileHashReader(tree, &tiles{ctx: ctx, fetcher: fetcher, size: head.Size, kept: map[tlog.Tile][]byte{}})
	builder, err := client.NewProofBuilder(ctx, head.Size, fetcher.ReadTile)
	if err != nil {
		return nil, err
	}
	step := head.Size / *all + 1
	for index := uint64(0); index < head.Size; index += step {
		leaf := leaves[index]
		made, err := tlog.ProveRecord(tree.N, int64(index), reader)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		if err := tlog.CheckRecord(made, tree.N, tree.Hash, int64(index), tlog.Hash(leaf)); err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		built, err := builder.InclusionProof(ctx, index)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, head.Size, leaf, built, head.Hash); err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		report.Inclusion++
		served, err := servedProof(*base, fmt.Sprintf("proof?index=%d&size=%d", index, head.Size))
		if err != nil {
			return nil, err
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, head.Size, leaf, served, head.Hash); err != nil {
			return nil, fmt.Errorf("served proof of entry %d: %w", index, err)
		}
		if err := tlog.CheckRecord(hashes(served), tree.N, tree.Hash, int64(index), tlog.Hash(leaf)); err != nil {
			return nil, fmt.Errorf("served proof of entry %d: %w", index, err)
		}
		report.Served++
	}

	old, err := openAll(*published, verifier)
	if err != nil {
		return nil, err
	}
	for at, first := range old {
		for _, second := range append(old[at:], head) {
			if err := extends(ctx, *base, *first, *second, reader, fetcher); err != nil {
				return nil, fmt.Errorf("checkpoints of size %d and %d: %w", first.Size, second.Size, err)
			}
			report.Consistency++
		}
	}
	return report, nil
}

// check runs Tessera's fsck over a folder.
func check(arguments []string) (any, error) {
	flags := flag.NewFlagSet("fsck", flag.ExitOnError)
	dir := flags.String("dir", "", "a folder of tlog-tiles")
	vkey := flags.String("vkey", "", "the log's verifier key")
	_ = flags.Parse(arguments)
	verifier, err := note.NewVerifier(*vkey)
	if err != nil {
		return nil, err
	}
	fetcher := client.FileFetcher{Root: *dir}
	if err := fsck.New(verifier.Name(), verifier, fetcher, leafHashes, fsck.Opts{N: 2}).Check(context.Background()); err != nil {
		return nil, err
	}
	return Report{Fsck: true}, nil
}

// extends checks that second extends first, with a proof from the tiles and with one the service answered, each by both libraries.
func extends(ctx context.Context, base string, first, second log.Checkpoint, reader tlog.HashReader, fetcher *client.HTTPFetcher) error {
	made, err := tlog.ProveTree(int64(second.Size), int64(first.Size), reader)
	if err != nil {
		return err
	}
	served, err := servedProof(base, fmt.Sprintf("proof?from=%d&size=%d", first.Size, second.Size))
	if err != nil {
		return err
	}
	builder, err := client.NewProofBuilder(ctx, second.Size, fetcher.ReadTile)
	if err != nil {
		return err
	}
	built, err := builder.ConsistencyProof(ctx, first.Size, second.Size)
	if err != nil {
		return err
	}
	for _, found := range [][][]byte{served, built} {
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, first.Size, second.Size, found, first.Hash, second.Hash); err != nil {
			return err
		}
	}
	for _, found := range []tlog.TreeProof{made, tlog.TreeProof(hashes(served))} {
		if err := tlog.CheckTree(found, int64(second.Size), tlog.Hash(second.Hash), int64(first.Size), tlog.Hash(first.Hash)); err != nil {
			return err
		}
	}
	return nil
}

func openAll(dir string, verifier note.Verifier) ([]*log.Checkpoint, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	var opened []*log.Checkpoint
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		checkpoint, _, _, err := log.ParseCheckpoint(text, verifier.Name(), verifier)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		opened = append(opened, checkpoint)
	}
	sort.Slice(opened, func(a, b int) bool { return opened[a].Size < opened[b].Size })
	return opened, nil
}

// leavesOf reads every entry bundle and hashes its entries.
func leavesOf(ctx context.Context, fetcher *client.HTTPFetcher, size uint64) ([][]byte, error) {
	var found [][]byte
	for number := uint64(0); uint64(len(found)) < size; number++ {
		bundle, err := client.GetEntryBundle(ctx, fetcher.ReadEntryBundle, number, size)
		if err != nil {
			return nil, fmt.Errorf("entry bundle %d: %w", number, err)
		}
		for _, entry := range bundle.Entries {
			hash := tlog.RecordHash(entry)
			found = append(found, hash[:])
		}
	}
	return found, nil
}

func leafHashes(bundle []byte) ([][]byte, error) {
	parsed := api.EntryBundle{}
	if err := parsed.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var found [][]byte
	for _, entry := range parsed.Entries {
		found = append(found, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return found, nil
}

func servedProof(base, query string) ([][]byte, error) {
	answer, err := http.Get(base + query)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %d %s", query, answer.StatusCode, body)
	}
	var document struct{ Proof []string }
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, err
	}
	return decode(document.Proof)
}

func decode(texts []string) ([][]byte, error) {
	found := [][]byte{}
	for _, text := range texts {
		hash, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		found = append(found, hash)
	}
	return found, nil
}

func hashes(raw [][]byte) tlog.RecordProof {
	var found tlog.RecordProof
	for _, hash := range raw {
		found = append(found, tlog.Hash(hash))
	}
	return found
}

// tiles gives x/mod's reader the tiles of a tlog-tiles log. The two formats differ in the path alone: x/mod puts the height before the level.
type tiles struct {
	ctx     context.Context
	fetcher *client.HTTPFetcher
	size    uint64
	kept    map[tlog.Tile][]byte
}

func (t *tiles) Height() int { return 8 }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, ok := t.kept[tile]
		if !ok {
			width := tile.W
			if width == 256 {
				width = 0
			}
			read, err := t.fetcher.ReadTile(t.ctx, uint64(tile.L), uint64(tile.N), uint8(width))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", tile.Path(), err)
			}
			data = read
			t.kept[tile] = data
		}
		found = append(found, data)
	}
	return found, nil
}

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}
