// Command interop follows a shop's ledger with Go's sumdb packages, which nobody here wrote: it opens the checkpoint, reads the
// tiles over HTTPS, proves every entry and every older checkpoint from them, and checks the proofs that the shop made itself in
// receipts and in what it submits to witnesses. It ends with 0 and one line of JSON, or with the first thing that is wrong.
//
//	interop -prefix https://shop.test:8443/ledger -vkey VKEY [-dial ADDRESS] FILE…
//
// A FILE is a checkpoint, a receipt, or the body of a witness's add-checkpoint request; each is told by its first line.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Counts is what was checked.
type Counts struct {
	Size        int64 `json:"size"`
	Tiles       int   `json:"tiles"`
	Entries     int64 `json:"entries"`
	Checkpoints int   `json:"checkpoints"`
	Proofs      int   `json:"proofs"`
	Submissions int   `json:"submissions"`
}

// Log is the shop's ledger as it is served.
type Log struct {
	prefix   string
	client   *http.Client
	verifier note.Verifier
	tree     tlog.Tree
	counts   Counts
}

func main() {
	log.SetFlags(0)
	prefix := flag.String("prefix", "", "URL prefix of the log")
	vkey := flag.String("vkey", "", "verifier key of the log")
	dial := flag.String("dial", "", "address to connect to instead of the URL's")
	flag.Parse()
	verifier, err := note.NewVerifier(*vkey)
	check("the vkey", err)
	l := &Log{prefix: *prefix, client: client(*dial), verifier: verifier}
	l.tree = l.open("the checkpoint", string(l.get("checkpoint")))
	l.counts.Size = l.tree.N
	hashes := tlog.TileHashReader(l.tree, l)
	root, err := tlog.TreeHash(l.tree.N, hashes)
	check("the root from the tiles", err)
	if root != l.tree.Hash {
		log.Fatal("the tiles have another root than the checkpoint")
	}
	for seq := int64(0); seq < l.tree.N; seq++ {
		proof, err := tlog.ProveRecord(l.tree.N, seq, hashes)
		check("a proof from the tiles", err)
		check("an entry", tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, seq, tlog.RecordHash(l.entry(seq))))
		l.counts.Entries++
	}
	for _, path := range flag.Args() {
		text, err := os.ReadFile(path)
		check(path, err)
		l.file(path, string(text), hashes)
	}
	answer, err := json.Marshal(l.counts)
	check("the answer", err)
	fmt.Println(string(answer))
}

func (l *Log) file(path, text string, hashes tlog.HashReader) {
	switch {
	case strings.HasPrefix(text, "keystall-receipt/v1\n"):
		blocks := strings.Split(text, "c2sp.org/tlog-proof@v1\n")
		if len(blocks) < 2 {
			log.Fatalf("%s: a receipt without a proof", path)
		}
		for _, block := range blocks[1:] {
			l.proof(path, block)
		}
	case strings.HasPrefix(text, "old "):
		l.submission(path, text, hashes)
	default:
		l.consistent(path, l.open(path, text), hashes)
		l.counts.Checkpoints++
	}
}

// An older checkpoint, by a proof that is made from the tiles.
func (l *Log) consistent(path string, old tlog.Tree, hashes tlog.HashReader) {
	proof, err := tlog.ProveTree(l.tree.N, old.N, hashes)
	check(path, err)
	check(path, tlog.CheckTree(proof, l.tree.N, l.tree.Hash, old.N, old.Hash))
}

// The inclusion proof that the shop made for a receipt.
func (l *Log) proof(path, block string) {
	head, signed, found := strings.Cut(block, "\n\n")
	lines := strings.Split(head, "\n")
	index, isIndex := cutPrefix(lines[0], "index ")
	if !found || !isIndex {
		log.Fatalf("%s: not a proof", path)
	}
	seq, err := strconv.ParseInt(index, 10, 64)
	check(path, err)
	tree := l.open(path, signed)
	leaf := tlog.RecordHash(l.entry(seq))
	check(path, tlog.CheckRecord(parse(path, lines[1:]), tree.N, tree.Hash, seq, leaf))
	l.counts.Proofs++
}

// The consistency proof that the shop made for a witness.
func (l *Log) submission(path, text string, hashes tlog.HashReader) {
	head, signed, found := strings.Cut(text, "\n\n")
	if !found {
		log.Fatalf("%s: not a submission", path)
	}
	lines := strings.Split(head, "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	check(path, err)
	tree := l.open(path, signed)
	proof := parse(path, lines[1:])
	if old == 0 || old == tree.N {
		if len(proof) != 0 {
			log.Fatalf("%s: a proof of nothing", path)
		}
	} else {
		root, err := tlog.TreeHash(old, hashes)
		check(path, err)
		check(path, tlog.CheckTree(tlog.TreeProof(proof), tree.N, tree.Hash, old, root))
	}
	l.counts.Submissions++
}

// A note by the log's key, and the tree head in it.
func (l *Log) open(what, text string) tlog.Tree {
	opened, err := note.Open([]byte(text), note.VerifierList(l.verifier))
	check(what, err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != l.verifier.Name() || lines[3] != "" {
		log.Fatalf("%s: not a checkpoint of this log", what)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(what, err)
	root, err := tlog.ParseHash(lines[2])
	check(what, err)
	return tlog.Tree{N: size, Hash: root}
}

// The data of a leaf, from its entry bundle.
func (l *Log) entry(seq int64) []byte {
	width := 256
	if left := l.tree.N - seq/256*256; left < 256 {
		width = int(left)
	}
	bundle := l.fetch(tlog.Tile{H: 8, L: -1, N: seq / 256, W: width})
	for at := int64(0); ; at++ {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			log.Fatalf("entry %d is not in its bundle", seq)
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		if at == seq%256 {
			return bundle[2:end]
		}
		bundle = bundle[end:]
	}
}

var cache = map[string][]byte{}

func (l *Log) fetch(tile tlog.Tile) []byte {
	// Go's own paths have the height of its tiles in them, and another word for entries.
	path := strings.Replace(strings.TrimPrefix(tile.Path(), "tile/8/"), "data/", "entries/", 1)
	if _, known := cache[path]; !known {
		cache[path] = l.get("tile/" + path)
		l.counts.Tiles++
	}
	return cache[path]
}

// Height is tlog.TileReader's.
func (l *Log) Height() int { return 8 }

// ReadTiles is tlog.TileReader's.
func (l *Log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		data = append(data, l.fetch(tile))
	}
	return data, nil
}

// SaveTiles is tlog.TileReader's.
func (l *Log) SaveTiles([]tlog.Tile, [][]byte) {}

func (l *Log) get(path string) []byte {
	answer, err := l.client.Get(l.prefix + "/" + path)
	check(path, err)
	defer answer.Body.Close()
	var body bytes.Buffer
	_, err = io.Copy(&body, io.LimitReader(answer.Body, 1<<20))
	check(path, err)
	if answer.StatusCode != http.StatusOK {
		log.Fatalf("%s is answered %s", path, answer.Status)
	}
	return body.Bytes()
}

// A shop under test has a certificate of its own.
func client(address string) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if address != "" {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func parse(what string, lines []string) tlog.RecordProof {
	proof := tlog.RecordProof{}
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		check(what, err)
		proof = append(proof, hash)
	}
	return proof
}

func cutPrefix(text, prefix string) (string, bool) {
	return strings.TrimPrefix(text, prefix), strings.HasPrefix(text, prefix)
}

func check(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}
