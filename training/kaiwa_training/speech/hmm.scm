;; Says of every text of a batch which phones it has, and in which phrase, word and syllable they
;; are, as kal would speak it. Called by hmm.py, which loads festival.scm before and appends one
;; (kaiwa_tell ...) for each text.

(voice_kal_diphone)

(define (kaiwa_tell text)
  (let ((utterance (eval (list 'Utterance 'Text text))))
    (mapcar (lambda (module) (module utterance))
      (list Initialize Text Token_POS Token POS Phrasify Word Pauses Intonation PostLex))
    (mapcar (lambda (token) (format t "token %s\n" (item.feat token "id")))
            (kaiwa_tokens utterance))
    (mapcar kaiwa_tell_segment (utt.relation.items utterance 'Segment))
    (format t "done\n")))

(define (kaiwa_tell_segment segment)
  (format t "segment %s" (item.name segment))
  (mapcar (lambda (feature)
            (format t " %s" (item.feat segment (string-append "R:SylStructure.parent." feature))))
          '("parent.R:Phrase.parent.id" "parent.id" "id" "stress" "accented" "parent.gpos"
            "parent.R:Token.parent.id"))
  (format t "\n"))
