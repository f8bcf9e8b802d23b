package importer

import "context"

const (
	// maxPage and maxPageBytes limit what is passed on at once by the reader.
	maxPage      = 500
	maxPageBytes = 128 << 10
	// maxBlock and maxBlockBytes limit what is sent in one request. A block is kept
	// in memory until it is acknowledged, while the next one is read.
	maxBlock      = 50_000
	maxBlockBytes = 8 << 20
)

// block is logs that are sent in one request.
type block struct {
	logs  []inputLog
	bytes int
	end   error // why there are no more logs: io.EOF, or the error of reading
}

func (b *block) add(page block) {
	b.logs = append(b.logs, page.logs...)
	b.bytes += page.bytes
	b.end = page.end
}

func (b *block) empty() bool { return len(b.logs) == 0 && b.end == nil }

func (b *block) complete() bool {
	return b.end != nil || len(b.logs) >= maxBlock || b.bytes >= maxBlockBytes
}

// blocks reads the input while the previous block is being sent. What is read
// meanwhile is the next block; a receiver that waits gets what there is. The last
// block has an end. Reading stops when ctx ends.
func (i *Input) blocks(ctx context.Context) <-chan block {
	pages, blocks := make(chan block), make(chan block)
	go i.readPages(ctx, pages)
	go gather(ctx, pages, blocks)
	return blocks
}

// readPages passes on what has arrived before it waits for more.
func (i *Input) readPages(ctx context.Context, pages chan<- block) {
	for {
		page := i.readPage()
		select {
		case pages <- page:
		case <-ctx.Done():
			return
		}
		if page.end != nil {
			return
		}
	}
}

func (i *Input) readPage() (page block) {
	for len(page.logs) < maxPage && page.bytes < maxPageBytes {
		log, err := i.next()
		if err != nil {
			page.end = err
			return page
		}
		page.logs = append(page.logs, log)
		page.bytes += len(log.text) + len(log.json)
		if !i.lines.AtHand() {
			return page
		}
	}
	return page
}

// gather adds pages to a block until the block is received.
func gather(ctx context.Context, pages <-chan block, blocks chan<- block) {
	for next := (block{}); ; {
		in, out := pages, blocks
		if next.complete() {
			in = nil
		}
		if next.empty() {
			out = nil
		}
		select {
		case page := <-in:
			next.add(page)
		case out <- next:
			if next.end != nil {
				return
			}
			next = block{}
		case <-ctx.Done():
			return
		}
	}
}
